// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <keel/bus/io_manager.h>
#include <keel/bus/locked.h>

struct Counter : keel::MutDevicePio {
  void pio_read(keel::PioAddress, std::uint16_t, std::span<std::uint8_t> data) override { data[0] = ++reads; }
  void pio_write(keel::PioAddress, std::uint16_t, std::span<const std::uint8_t>) override { reads = 0; }
  std::uint8_t reads = 0;
};

int main() {
  keel::IoManager io;
  const auto port = keel::PioRange::constant(0x500, 0x500);
  const auto added = io.register_pio(port, std::make_shared<keel::Locked<Counter>>(), "counter");
  std::uint8_t value = 0;
  return added && io.pio_read(port.first(), {&value, 1}) == keel::Dispatch::kClaimed && value == 1 ? 0 : 1;
}
