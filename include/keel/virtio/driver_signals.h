// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <string_view>

namespace keel {

// What a device may tell its driver, by way of the transport. Valid from VirtioDevice::activate() until reset()
// returns. Any thread; under the device's own lock too: implementations call nothing of the device's and take leaf
// locks only.
class DriverSignals {
 public:
  virtual ~DriverSignals() = default;
  // Buffers of `queue` are used (2.9, 4.2.3.4). VirtQueue::signal() calls it where the driver wants to know.
  virtual void used_buffers(std::uint16_t queue) = 0;
  // The configuration space changed (2.5).
  virtual void config_changed() = 0;
  // The driver broke the protocol, or the device cannot go on: DEVICE_NEEDS_RESET (2.1.1). The rest of the machine does
  // not notice. `reason` is for people; only the first of a device's life is kept.
  virtual void needs_reset(std::string_view reason) noexcept = 0;
  // Calls VirtioDevice::notify(queue) once more from the event loop, after the other work there: for a device that
  // stops early so that one queue does not hold up the rest.
  virtual void call_again(std::uint16_t queue) = 0;
};

}  // namespace keel
