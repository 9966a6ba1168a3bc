// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// A range of ports is not a range of memory.

#include "keel/bus/io_manager.h"

keel::Result<void> add(keel::IoManager& bus, std::shared_ptr<keel::DeviceMmio> device) {
#ifdef KEEL_MUST_NOT_COMPILE
  constexpr auto kRange = keel::PioRange::constant(0x1000, 0x1fff);
#else
  constexpr auto kRange = keel::MmioRange::constant(0x1000, 0x1fff);
#endif
  return bus.register_mmio(kRange, device, "blk0");
}
