// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <keel/base/little_endian.h>
#include <keel/bus/io_manager.h>
#include <keel/bus/locked.h>

struct Counter : keel::MutDevicePio {
  void pio_read(keel::PioAddress, std::uint16_t, std::span<std::uint8_t> data) override {
    keel::store_le(data, ++reads);
  }
  void pio_write(keel::PioAddress, std::uint16_t, std::span<const std::uint8_t>) override { reads = 0; }
  std::uint64_t reads = 0;
};

int main() {
  keel::IoManager io;
  const auto ports = keel::PioRange::constant(0x500, 0x503);
  auto added = io.register_pio(ports, std::make_shared<keel::Locked<Counter>>(), "counter");
  if (!added) return fmt::print("{}\n", added.error().message()), 1;
  std::uint8_t data[4];
  io.pio_read(keel::PioAddress(0x500), data);
  return keel::load_le(data) == 1 ? 0 : 1;
}
