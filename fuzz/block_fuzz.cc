// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The block device on a disk that obeys the fuzzer. What reaches the disk lies on it (FakeDisk sees to that), and a
// read-only disk is never written.

#include "fuzz/device_guest.h"
#include "support/fake_disk.h"
#include "keel/devices/virtio_block.h"

namespace keel {
namespace {

namespace spec = virtio_block;
constexpr std::uint64_t kSectors = 16;

// A request such as drivers make, wrong in one place or another.
void send_request(FuzzedDataProvider& in, DriverQueue& queue) {
  if (queue.free_descriptors() < 4) return;
  const spec::RequestHeader header{
      .type = in.PickValueInArray<std::uint32_t>({spec::kTypeIn, spec::kTypeOut, spec::kTypeFlush, spec::kTypeGetId,
                                                  spec::kTypeDiscard, spec::kTypeWriteZeroes,
                                                  in.ConsumeIntegral<std::uint32_t>()}),
      .reserved = 0,
      .sector = in.PickValueInArray<std::uint64_t>(
          {0, 1, kSectors - 1, kSectors, ~0ull, 1ull << 55, in.ConsumeIntegral<std::uint64_t>()})};
  const spec::Segment segment{.sector = header.sector,
                              .sectors = in.PickValueInArray<std::uint32_t>({0, 1, 16, 17, ~0u}),
                              .flags = in.ConsumeIntegralInRange<std::uint32_t>(0, 3)};
  const GuestMemory& memory = queue.arena().memory();
  check(memory.write_object(GuestAddress(0x4000), header) && memory.write_object(GuestAddress(0x4100), segment),
        "requests lie in RAM");
  auto request = queue.request();
  request.out_at(GuestAddress(0x4000), in.PickValueInArray<std::uint32_t>({16, 16, 16, 15, 17, 1}));
  const auto size = in.PickValueInArray<std::uint32_t>({0, 16, 20, 511, 512, 1024, 0x3000});
  if (in.ConsumeBool()) {
    request.out_at(GuestAddress(in.PickValueInArray<std::uint64_t>({0x4100, 0x7f00})), size);
  } else {
    request.in_at(GuestAddress(in.PickValueInArray<std::uint64_t>({0x5000, 0x7f00})), size);
  }
  if (in.ConsumeIntegral<std::uint8_t>() != 0) request.in_at(GuestAddress(0x4800), 1);
  if (in.ConsumeBool()) request.indirect_at(GuestAddress(0x6000));
  request.send();
}

}  // namespace
}  // namespace keel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keel;
  using testing::FakeDisk;
  FuzzedDataProvider in(data, size);
  const GuestMemory memory = GuestMemory::create(fuzz::guest_ram()).value();
  const auto loop = EpollLoop::create().value();
  using enum DiskProperties::Access;
  auto owned = std::make_unique<FakeDisk>(
      DiskProperties{.size = kSectors * 512, .access = in.ConsumeBool() ? kReadOnly : kReadWrite, .can_discard = true});
  FakeDisk& disk = *owned;
  fuzz::DeviceGuest guest(
      VirtioBlock::create({.disk = std::move(owned), .loop = *loop, .id = "disk", .queues = 2}).value(), memory, *loop);
  guest.bring_up(~0ull);
  while (in.remaining_bytes() != 0) {
    switch (in.ConsumeIntegralInRange(0, 9)) {
      case 0: guest.bring_up(in.ConsumeIntegral<std::uint64_t>()); break;
      case 1: guest.notify(in); break;
      case 2: guest.serve(); break;
      case 3: disk.hold(in.ConsumeBool() ? FakeDisk::Hold::kOn : FakeDisk::Hold::kOff); break;
      case 4: disk.release(); break;
      case 5: disk.answer(static_cast<BlockCompletion::Status>(in.ConsumeIntegralInRange(0, 2))); break;
      case 6: guest.access_config(in); break;
      case 7:
        if (DriverQueue* const queue = guest.some_queue(in)) fuzz::act(in, *queue);
        break;
      default:
        if (DriverQueue* const queue = guest.some_queue(in)) send_request(in, *queue);
        guest.notify(in);
    }
  }
  guest.reset();
  check(disk.held() == 0, "a disk has nothing of a device that was reset");
  return 0;
}
