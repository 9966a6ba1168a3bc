// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// A device is replaced a thousand times while a vCPU reads it. The vCPU never waits and never finds the place empty.

#include <atomic>
#include <cstdio>
#include <thread>

#include "keel/base/little_endian.h"
#include "keel/bus/io_manager.h"

class Revision : public keel::DeviceMmio {
 public:
  explicit Revision(std::uint32_t number) : number_(number) {}
  void mmio_read(keel::MmioAddress, std::uint64_t, std::span<std::uint8_t> data) override {
    keel::store_le(data, number_);
  }
  void mmio_write(keel::MmioAddress, std::uint64_t, std::span<const std::uint8_t>) override {}

 private:
  const std::uint32_t number_;
};

int main() {
  constexpr auto kWindow = keel::MmioRange::constant(0xd0000000, 0xd0000fff);
  constexpr std::uint32_t kLast = 1000;
  keel::IoManager bus;
  if (!bus.register_mmio(kWindow, std::make_shared<Revision>(0), "revision 0")) return 1;

  std::atomic<std::uint64_t> empty = 0, reads = 0;
  std::jthread vcpu([&] {
    for (std::uint32_t seen = 0; seen != kLast; ++reads) {
      std::uint8_t value[4];
      if (bus.mmio_read(kWindow.first(), value) == keel::Dispatch::kUnclaimed) ++empty;
      seen = static_cast<std::uint32_t>(keel::load_le(value));
    }
  });
  for (std::uint32_t number = 1; number <= kLast; ++number) {
    keel::IoTransaction replace = bus.begin();
    if (!replace.deregister_mmio(kWindow.first())) return 1;
    if (!replace.register_mmio(kWindow, std::make_shared<Revision>(number), "revision")) return 1;
    const auto completion = replace.commit();  // one step for every reader
    if (!completion) return 1;
    if (number == kLast / 2) completion->wait();  // from here on, no access is inside an older one
  }
  vcpu.join();
  std::printf("%u revisions, %llu reads, %llu of them found nobody\n", kLast,
              static_cast<unsigned long long>(reads.load()), static_cast<unsigned long long>(empty.load()));
  return empty == 0 ? 0 : 1;
}
