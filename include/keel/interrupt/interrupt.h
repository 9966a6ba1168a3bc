// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include "keel/base/error.h"

namespace keel {

// A wire from a device to the guest. A device holds the wire and never learns its number. Implementations are callable
// from several threads at once; a device may call them from inside its I/O handler, under its own lock.

// An interrupt that is an event: MSI, or an edge on a pin.
class EdgeInterrupt {
 public:
  virtual ~EdgeInterrupt() = default;
  virtual Result<void> trigger() = 0;
};

// An interrupt that is a state: the line is up while the device wants service. Raising a raised line, or lowering a
// lowered one, changes nothing.
class LevelInterrupt {
 public:
  virtual ~LevelInterrupt() = default;
  virtual Result<void> raise() = 0;
  virtual Result<void> lower() = 0;
};

}  // namespace keel
