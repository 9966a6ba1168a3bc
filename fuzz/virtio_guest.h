// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "support/virtio_driver.h"
#include "keel/base/check.h"
#include "keel/virtio/virt_queue.h"

// A guest's driver that the fuzzer steers: requests as a driver writes them, and rings as none would.
namespace keel::fuzz {

inline const std::vector<GuestRange>& guest_ram() {
  // Two regions that touch, so that buffers lie across, and one at the top of the space.
  static const std::vector<GuestRange> ram = {GuestRange::constant(0, 0x7fff), GuestRange::constant(0x8000, 0xffff),
                                              GuestRange::constant(0xffff'ffff'ffff'f000, 0xffff'ffff'ffff'ffff)};
  return ram;
}

// Near the ends of RAM more often than elsewhere.
inline GuestAddress some_address(FuzzedDataProvider& in) {
  const std::uint64_t at = in.PickValueInArray<std::uint64_t>(
      {0x1000, 0x7ff0, 0xfff0, 0xffff'ffff'ffff'fff0, 0xd000'0000, in.ConsumeIntegral<std::uint64_t>()});
  return GuestAddress(at + in.ConsumeIntegral<std::uint8_t>());
}

inline virtio::Descriptor some_descriptor(FuzzedDataProvider& in) {
  return {.address = some_address(in).value(),
          .length = in.PickValueInArray<std::uint32_t>(
              {0, 1, 16, 48, 0x4000, 0xffff'ffff, in.ConsumeIntegral<std::uint16_t>()}),
          .flags = in.ConsumeIntegralInRange<std::uint16_t>(0, 7),
          .next = in.ConsumeIntegralInRange<std::uint16_t>(0, 9)};
}

// One thing that a guest does to a queue.
inline void act(FuzzedDataProvider& in, DriverQueue& queue) {
  switch (in.ConsumeIntegralInRange(0, 6)) {
    case 0: queue.set_descriptor(in.ConsumeIntegralInRange<std::uint16_t>(0, 7), some_descriptor(in)); break;
    case 1: queue.offer(in.ConsumeIntegralInRange<std::uint16_t>(0, 9)); break;
    case 2: queue.set_available_idx(in.ConsumeIntegral<std::uint16_t>()); break;
    case 3:
      queue.put_descriptor(GuestAddress(0x6000 + 16 * in.ConsumeIntegralInRange<std::uint64_t>(0, 7)),
                           some_descriptor(in));
      break;
    case 4:
      queue.set_descriptor(in.ConsumeIntegralInRange<std::uint16_t>(0, 7),
                           {.address = 0x6000,
                            .length = 16u * in.ConsumeIntegralInRange<std::uint32_t>(1, 8),
                            .flags = virtio::kDescriptorIndirect,
                            .next = 0});
      break;
    case 5:
      queue.set_used_event(in.ConsumeIntegral<std::uint16_t>());
      queue.set_no_interrupt(in.ConsumeIntegralInRange<std::uint16_t>(0, 1));
      break;
    default: {  // as a driver should
      if (queue.free_descriptors() < 4) {
        while (queue.take_used()) {
        }
      }
      if (queue.free_descriptors() < 4) break;
      auto request = queue.request();
      const auto readable = in.ConsumeIntegralInRange(0, 2);
      for (int i = 0; i < readable; ++i) {
        const auto bytes = in.ConsumeBytes<std::uint8_t>(in.ConsumeIntegralInRange<std::size_t>(0, 20));
        const GuestAddress at(0x4000 + 32ull * static_cast<unsigned>(i));
        check(queue.arena().memory().write(at, bytes).has_value(), "requests lie in RAM");
        request.out_at(at, static_cast<std::uint32_t>(bytes.size()));
      }
      for (int i = in.ConsumeIntegralInRange(readable == 0 ? 1 : 0, 2); i > 0; --i)
        request.in_at(GuestAddress(0x5000), in.ConsumeIntegralInRange<std::uint32_t>(0, 64));
      if (in.ConsumeBool()) request.indirect_at(GuestAddress(0x6000));
      request.send();
    }
  }
}

}  // namespace keel::fuzz
