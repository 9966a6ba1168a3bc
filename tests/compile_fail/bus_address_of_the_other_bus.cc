// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// A port is not an address in memory.

#include "keel/bus/io_manager.h"

keel::Dispatch access(const keel::IoManager& bus, std::span<std::uint8_t> data) {
#ifdef KEEL_MUST_NOT_COMPILE
  const keel::MmioAddress address(0x60);
#else
  const keel::PioAddress address(0x60);
#endif
  return bus.pio_read(address, data);
}
