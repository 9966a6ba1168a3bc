// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Locked<> is for devices that need it.

#include "keel/bus/locked.h"

class Safe : public keel::DevicePio {
 public:
  void pio_read(keel::PioAddress, std::uint16_t, std::span<std::uint8_t>) override {}
  void pio_write(keel::PioAddress, std::uint16_t, std::span<const std::uint8_t>) override {}
};
class Exclusive : public keel::MutDevicePio {
 public:
  void pio_read(keel::PioAddress, std::uint16_t, std::span<std::uint8_t>) override {}
  void pio_write(keel::PioAddress, std::uint16_t, std::span<const std::uint8_t>) override {}
};

#ifdef KEEL_MUST_NOT_COMPILE
keel::Locked<Safe> locked;
#else
keel::Locked<Exclusive> locked;
#endif
