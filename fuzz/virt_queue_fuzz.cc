// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// A device that takes, holds, completes and puts back requests of a driver that writes what it likes into its rings.

#include <algorithm>
#include <vector>

#include "fuzz/virtio_guest.h"
#include "support/fake_driver_signals.h"

namespace keel {
namespace {

void check_pieces(const GuestMemory& memory, const GuestBuffers& buffers) {
  std::uint64_t total = 0;
  for (const iovec& piece : buffers.segments()) {
    const auto* const start = static_cast<const std::uint8_t*>(piece.iov_base);
    check(piece.iov_len != 0, "no piece is empty");
    check(std::ranges::any_of(memory.regions(),
                              [&](const MemoryRegion& region) {
                                return start >= region.host && piece.iov_len <= region.range.size() &&
                                       start + piece.iov_len <= region.host + region.range.size();
                              }),
          "every piece lies in one region of RAM");
    total += piece.iov_len;
  }
  check(total == buffers.size() && total <= 1ull << 32, "pieces are as long as their sum, and that is bounded");
}

void run(FuzzedDataProvider& in) {
  static const GuestMemory memory = GuestMemory::create(fuzz::guest_ram()).value();
  for (const MemoryRegion& region : memory.regions()) std::fill_n(region.host, region.range.size(), std::uint8_t{0});
  GuestArena arena(memory, GuestRange::constant(0x100, 0x3fff));
  DriverQueue driver(arena, 8);
  FakeDriverSignals signals;
  const std::uint64_t features = in.ConsumeIntegralInRange<std::uint64_t>(0, 3) * virtio::kFeatureIndirectDesc;
  const auto queue = VirtQueue::create(memory, driver.layout(), features, signals).value();
  std::vector<DescriptorChain> held;
  while (in.remaining_bytes() != 0) {
    switch (in.ConsumeIntegralInRange(0, 7)) {
      case 0:
        if (auto chain = queue->pop()) {
          check_pieces(memory, chain->readable());
          check_pieces(memory, chain->writable());
          held.push_back(std::move(*chain));
        }
        break;
      case 1:
        if (!held.empty()) {
          std::swap(held.back(), held[in.ConsumeIntegral<std::uint8_t>() % held.size()]);
          queue->complete(std::move(held.back()), in.ConsumeIntegral<std::uint32_t>());
          held.pop_back();
        }
        break;
      case 2:
        if (auto chain = queue->pop()) queue->put_back(std::move(*chain));
        break;
      case 3: queue->signal(); break;
      case 4: (void)queue->request_notifications(); break;
      case 5: queue->suppress_notifications(); break;
      default: fuzz::act(in, driver);
    }
    check(queue->in_flight() == held.size(), "what is under way is counted");
    check(held.size() <= queue->size(), "no more is under way than the queue holds");
    check(queue->broken() == !signals.reasons().empty() && signals.reasons().size() <= 1, "trouble is told once");
  }
}

}  // namespace
}  // namespace keel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider in(data, size);
  keel::run(in);
  return 0;
}
