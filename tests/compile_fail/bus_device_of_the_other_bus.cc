// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// A device of one bus is not a device of the other.

#include "keel/bus/io_manager.h"

#ifdef KEEL_MUST_NOT_COMPILE
using Device = keel::DeviceMmio;
#else
using Device = keel::DevicePio;
#endif

keel::Result<void> add(keel::IoManager& bus, std::shared_ptr<Device> device) {
  return bus.register_pio(keel::PioRange::constant(0x60, 0x64), device, "kbd");
}
