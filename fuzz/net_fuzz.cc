// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The network device between a driver and a network that both obey the fuzzer. What reaches the network is a frame, and
// asks for no offload that was not negotiated.

#include "fuzz/device_guest.h"
#include "support/fake_network.h"
#include "keel/devices/virtio_net.h"

namespace keel {
namespace {

namespace spec = virtio_net;

spec::Header some_header(FuzzedDataProvider& in) {
  return {.flags = in.ConsumeIntegralInRange<std::uint8_t>(0, 3),
          .gso_type = in.PickValueInArray<std::uint8_t>({0, 0, 1, 3, 4, 0x81, in.ConsumeIntegral<std::uint8_t>()}),
          .header_length = in.ConsumeIntegral<std::uint16_t>(),
          .gso_size = in.PickValueInArray<std::uint16_t>({0, 1, 1448, 0xffff}),
          .checksum_start = in.PickValueInArray<std::uint16_t>({0, 14, 34, 0xffff}),
          .checksum_offset = in.PickValueInArray<std::uint16_t>({0, 6, 16, 0xffff}),
          .buffers = in.ConsumeIntegral<std::uint16_t>()};
}

// A frame to send, a buffer to receive into, or a command, in whatever queue.
void send_request(FuzzedDataProvider& in, DriverQueue& queue) {
  if (queue.free_descriptors() < 4) return;
  auto request = queue.request();
  const auto form = in.ConsumeIntegralInRange(0, 2);
  if (form == 0) {
    check(queue.arena().memory().write_object(GuestAddress(0x4000), some_header(in)).has_value(), "it is RAM");
    request.out_at(GuestAddress(0x4000), 12);
    request.out_at(GuestAddress(0x5000), in.PickValueInArray<std::uint32_t>({0, 13, 14, 60, 1514, 0xb000}));
  } else if (form == 1) {
    request.in_at(GuestAddress(0x7f00), in.PickValueInArray<std::uint32_t>({0, 11, 12, 64, 1526, 0x2000}));
  } else {
    const auto command = in.ConsumeBytes<std::uint8_t>(in.ConsumeIntegralInRange<std::size_t>(0, 6));
    check(queue.arena().memory().write(GuestAddress(0x4200), command).has_value(), "it is RAM");
    request.out_at(GuestAddress(0x4200), static_cast<std::uint32_t>(command.size()));
    if (in.ConsumeBool()) request.in_at(GuestAddress(0x4300), 1);
  }
  request.send();
}

void network_event(FuzzedDataProvider& in, testing::FakeNetwork::Wire& wire) {
  const auto pair = in.ConsumeIntegralInRange<std::uint16_t>(0, 3);
  switch (in.ConsumeIntegralInRange(0, 3)) {
    case 0:
      if (wire.incoming.size() < 16)
        wire.incoming.push_back(
            {some_header(in), std::vector<std::uint8_t>(in.PickValueInArray({14u, 60u, 2000u, 65535u}))});
      if (wire.listener != nullptr) wire.listener->receivable(pair);
      break;
    case 1: wire.room = in.ConsumeIntegralInRange<std::size_t>(0, 3); break;
    case 2:
      if (wire.listener != nullptr) wire.listener->sendable(pair);
      break;
    default:
      if (wire.listener != nullptr)
        wire.listener->link_changed(in.ConsumeBool() ? NetListener::Link::kUp : NetListener::Link::kDown);
  }
}

// What VIRTIO 1.3, 5.1.6.2 lets a driver ask for that negotiated these features.
void check_sent(const testing::Frame& frame, std::uint64_t features) {
  const auto negotiated = [&](std::uint64_t bit) { return (features & bit) != 0; };
  const spec::Header& header = frame.header;
  const std::size_t size = frame.bytes.size();
  check(size >= spec::kEthernetHeader && size <= spec::kLargestFrame, "it is a frame");
  const bool partial = (header.flags & spec::kFlagNeedsChecksum) != 0;
  check(!partial || negotiated(spec::kFeatureChecksum), "a checksum to be filled in was negotiated");
  check(!partial || std::size_t{header.checksum_start} + header.checksum_offset + 2 <= size, "and lies in the frame");
  if (header.gso_type == spec::kGsoNone) return;
  switch (header.gso_type & 0x7f) {
    case spec::kGsoTcp4: check(negotiated(spec::kFeatureHostTso4), "TCP segments over IPv4 were negotiated"); break;
    case spec::kGsoTcp6: check(negotiated(spec::kFeatureHostTso6), "TCP segments over IPv6 were negotiated"); break;
    default: check(false, "it is a segmentation that the device offers");
  }
  check((header.gso_type & spec::kGsoEcn) == 0 || negotiated(spec::kFeatureHostEcn), "ECN was negotiated");
  check(partial && header.gso_size != 0, "segments have a size and a checksum to be filled in");
}

}  // namespace
}  // namespace keel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keel;
  FuzzedDataProvider in(data, size);
  const GuestMemory memory = GuestMemory::create(fuzz::guest_ram()).value();
  const auto loop = EpollLoop::create().value();
  testing::FakeNetwork::Wire wire;
  const NetProperties properties{.offloads = in.ConsumeIntegral<std::uint64_t>(),
                                 .queue_pairs = in.ConsumeIntegralInRange<std::uint16_t>(0, 3)};
  fuzz::DeviceGuest guest(VirtioNet::create({.network = std::make_unique<testing::FakeNetwork>(properties, wire),
                                             .loop = *loop,
                                             .mac = {{2, 0, 0, 0, 0, 1}}})
                              .value(),
                          memory, *loop);
  guest.bring_up(~0ull);
  while (in.remaining_bytes() != 0) {
    switch (in.ConsumeIntegralInRange(0, 7)) {
      case 0: guest.bring_up(in.ConsumeIntegral<std::uint64_t>()); break;
      case 1: guest.notify(in); break;
      case 2: guest.serve(); break;
      case 3: guest.access_config(in); break;
      case 4:
        if (DriverQueue* const queue = guest.some_queue(in)) fuzz::act(in, *queue);
        break;
      case 5: network_event(in, wire); break;
      default:
        if (DriverQueue* const queue = guest.some_queue(in)) send_request(in, *queue);
        guest.notify(in);
    }
    for (const testing::Frame& frame : wire.outgoing) check_sent(frame, guest.features());
    wire.outgoing.clear();
    wire.sent_on.clear();
  }
  guest.reset();
  check(wire.listener == nullptr, "a network of a device that was reset is stopped");
  return 0;
}
