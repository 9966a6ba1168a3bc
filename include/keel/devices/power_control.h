// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <string_view>

namespace keel {

// The machine's power switch, as a device sees it. `source` names the device that asks, for whoever reports it; it is
// valid during the call only.
//
// Callable from any thread, from inside an I/O handler and under the device's lock, any number of times: a request is
// noted and acted on later, so the vCPU may run on for a while and ask again. An implementation must not wait for vCPUs
// nor enter the device.
class PowerControl {
 public:
  virtual ~PowerControl() = default;
  virtual void request_reset(std::string_view source) = 0;
  virtual void request_power_off(std::string_view source) = 0;
};

}  // namespace keel
