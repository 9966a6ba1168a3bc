// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// A device that logs what the guest writes to it, on a bus.

#include <cstdio>

#include "keel/bus/io_manager.h"
#include "keel/bus/locked.h"

class LogDevice : public keel::MutDevicePio {
 public:
  void pio_read(keel::PioAddress, std::uint16_t, std::span<std::uint8_t> data) override {
    for (std::uint8_t& byte : data) byte = static_cast<std::uint8_t>(lines_);  // how many lines it has logged
  }
  void pio_write(keel::PioAddress base, std::uint16_t offset, std::span<const std::uint8_t> data) override {
    std::printf("port %#x: %zu bytes, the first %#x\n", base.value() + offset, data.size(), data[0]);
    ++lines_;
  }

 private:
  unsigned lines_ = 0;
};

int main() {
  keel::IoManager bus;
  const auto registered =
      bus.register_pio(keel::PioRange::constant(0x500, 0x507), std::make_shared<keel::Locked<LogDevice>>(), "log");
  if (!registered) return std::fprintf(stderr, "%s\n", registered.error().message().c_str()), 1;

  const std::uint8_t hello[] = {'k', 'e'};
  std::uint8_t answer[1];
  (void)bus.pio_write(keel::PioAddress(0x504), hello);
  (void)bus.pio_read(keel::PioAddress(0x500), answer);
  const bool nobody = bus.pio_write(keel::PioAddress(0x507), hello) == keel::Dispatch::kUnclaimed;  // passes the end
  return answer[0] == 1 && nobody ? 0 : 1;
}
