// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <memory>

#include "keel/bus/device_io.h"

namespace keel::bench {

// A device with one register, on both buses. Made in a source file of its own that is compiled without link-time
// optimisation, so that a call to it stays a virtual call for every contender.
class RegisterDevice : public DevicePio, public DeviceMmio {
 public:
  virtual void set(std::uint32_t value) = 0;
};
std::shared_ptr<RegisterDevice> make_register(std::uint32_t value);

// The same behind Locked<>.
struct LockedRegister {
  std::shared_ptr<DevicePio> pio;
  std::shared_ptr<DeviceMmio> mmio;
};
LockedRegister make_locked_register(std::uint32_t value);

}  // namespace keel::bench
