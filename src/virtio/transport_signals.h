// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include "keel/virtio/driver_signals.h"

namespace keel::detail {

// The way from a device to its driver, as a transport has it. Any thread; locks inside are leaves.
class TransportSignals : public DriverSignals {
 public:
  // Whether needs_reset() was called since the last clear().
  [[nodiscard]] virtual bool failed() const = 0;
  // The driver set DRIVER_OK: trouble is an interrupt from now on (2.1.2).
  virtual void driver_ready() = 0;
  // The driver reset the device: nothing is pending.
  virtual void clear() = 0;
};

}  // namespace keel::detail
