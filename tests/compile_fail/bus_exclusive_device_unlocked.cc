// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// A device for one thread at a time reaches a bus inside Locked<> alone.

#include "keel/bus/io_manager.h"
#include "keel/bus/locked.h"

class Uart : public keel::MutDevicePio {
 public:
  void pio_read(keel::PioAddress, std::uint16_t, std::span<std::uint8_t>) override {}
  void pio_write(keel::PioAddress, std::uint16_t, std::span<const std::uint8_t>) override {}
};

#ifdef KEEL_MUST_NOT_COMPILE
using Device = Uart;
#else
using Device = keel::Locked<Uart>;
#endif

keel::Result<void> add(keel::IoManager& bus) {
  return bus.register_pio(keel::PioRange::constant(0x3f8, 0x3ff), std::make_shared<Device>(), "uart");
}
