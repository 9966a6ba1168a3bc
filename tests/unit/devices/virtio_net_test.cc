// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/virtio_net.h"

#include <array>
#include <atomic>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_driver_signals.h"
#include "support/fake_network.h"
#include "support/virtio_driver.h"
#include "keel/base/epoll_loop.h"
#include "keel/base/little_endian.h"

namespace keel {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using testing::FakeNetwork;
using testing::Frame;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace spec = virtio_net;
using Bytes = std::vector<std::uint8_t>;

constexpr MacAddress kMac{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};
constexpr std::uint64_t kOffloads = spec::kHostOffloads | spec::kGuestOffloads;
constexpr std::uint16_t kReceive = 0;
constexpr std::uint16_t kTransmit = 1;
constexpr std::uint16_t kSize = 16;  // of the driver's queues, where a test says no other

Bytes frame_of(std::size_t size, std::uint8_t first = 1) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(first + i);
  return bytes;
}

// A guest with one network interface.
class VirtioNetTest : public ::testing::Test {
 protected:
  explicit VirtioNetTest(NetProperties properties = {.offloads = kOffloads, .mtu = 9000}, std::uint16_t size = kSize)
      : size_(size) {
    device_ =
        VirtioNet::create({.network = std::make_unique<FakeNetwork>(properties, wire_), .loop = *loop_, .mac = kMac})
            .value();
    activate(~0ull);
  }

  Result<void> try_activate(std::uint64_t wanted) {
    device_->reset();
    const std::uint64_t features = (device_->features() & wanted) | virtio::kFeatureVersion1;
    VirtioActivation activation{.features = features, .queues = {}, .signals = &signals_};
    drivers_.clear();
    for (std::uint16_t i = 0; i < device_->queue_sizes().size(); ++i) {
      drivers_.push_back(std::make_unique<DriverQueue>(arena_, size_, i));
      activation.queues.push_back(VirtQueue::create(memory_, drivers_.back()->layout(), features, signals_).value());
    }
    return device_->activate(std::move(activation));
  }
  void activate(std::uint64_t wanted) { ASSERT_TRUE(try_activate(wanted).has_value()); }

  DriverQueue& driver(std::uint16_t queue) { return *drivers_[queue]; }
  // Posts a receive buffer.
  SentRequest post(std::uint32_t size) { return driver(kReceive).request().in(size).send(); }
  // A frame comes in from the network.
  void arrive(const Bytes& bytes, const spec::Header& header = {}) {
    wire_.incoming.push_back({header, bytes});
    if (wire_.listener != nullptr) wire_.listener->receivable(0);
  }
  SentRequest send(const Bytes& bytes, const spec::Header& header = {}, std::uint16_t queue = kTransmit) {
    const SentRequest sent = driver(queue).request().out_object(header).out(bytes).send();
    device_->notify(queue);
    return sent;
  }
  // Sends what the device has to drop: its buffers come back and nothing goes out.
  void expect_dropped(const Bytes& bytes, const spec::Header& header) {
    const SentRequest sent = send(bytes, header);
    EXPECT_EQ(driver(kTransmit).take_used(), (UsedElement{sent.head, 0}));
    EXPECT_THAT(wire_.outgoing, IsEmpty());
  }
  spec::Header header_in(const Bytes& written) const {
    spec::Header header;
    std::memcpy(&header, written.data(), sizeof(header));
    return header;
  }
  std::uint64_t config(std::size_t offset, std::size_t size) const {
    std::array<std::uint8_t, 8> bytes = {};
    device_->read_config(offset, std::span(bytes).first(size));
    return load_le(std::span(bytes).first(size));
  }

  const std::uint16_t size_;
  const GuestMemory memory_ = GuestMemory::create(std::array{GuestRange::constant(0, 0xff'ffff)}).value();
  GuestArena arena_{memory_, GuestRange::constant(0x1000, 0xff'ffff)};
  FakeDriverSignals signals_;
  std::unique_ptr<EpollLoop> loop_ = EpollLoop::create().value();
  FakeNetwork::Wire wire_;
  std::shared_ptr<VirtioNet> device_;
  std::vector<std::unique_ptr<DriverQueue>> drivers_;
};

class TwoPairsVirtioNetTest : public VirtioNetTest {
 protected:
  static constexpr std::uint16_t kControl = 4;
  TwoPairsVirtioNetTest() : VirtioNetTest({.offloads = kOffloads, .queue_pairs = 2}) {}

  static Bytes use_pairs(std::uint8_t count) { return {spec::kControlMultiQueue, spec::kMultiQueuePairsSet, count, 0}; }
  std::uint8_t command(const Bytes& bytes) {
    const SentRequest sent = driver(kControl).request().out(bytes).in(1).send();
    device_->notify(kControl);
    EXPECT_EQ(driver(kControl).take_used(), (UsedElement{sent.head, 1}));
    return driver(kControl).written(sent)[0];
  }
};

TEST_F(VirtioNetTest, TellsItsDriverWhatItIs) {
  EXPECT_EQ(device_->device_id(), virtio::DeviceId::kNet);
  EXPECT_EQ(config(spec::kConfigMac, 6), 0x5634'1200'5452u);
  EXPECT_EQ(config(spec::kConfigStatus, 2), spec::kStatusLinkUp);
  EXPECT_EQ(config(spec::kConfigQueuePairs, 2), 1u);
  EXPECT_EQ(config(spec::kConfigMtu, 2), 9000u);
  EXPECT_EQ(config(spec::kConfigSize, 8), 0u);
  EXPECT_EQ(config(~std::size_t{0}, 8), 0u);
  EXPECT_EQ(device_->queue_sizes().size(), 2u);
  EXPECT_EQ(device_->features() & kOffloads, kOffloads);
  EXPECT_EQ(device_->features() & spec::kFeatureMultiQueue, 0u);
}

TEST_F(VirtioNetTest, OffloadsThatMakeNoSenseAloneAreNotAccepted) {
  EXPECT_TRUE(device_->accepts(0));
  EXPECT_TRUE(device_->accepts(kOffloads));
  EXPECT_FALSE(device_->accepts(spec::kFeatureHostTso4));
  EXPECT_FALSE(device_->accepts(spec::kFeatureGuestTso6));
  EXPECT_FALSE(device_->accepts(spec::kFeatureHostEcn | spec::kFeatureChecksum));
  EXPECT_FALSE(device_->accepts(spec::kFeatureMultiQueue));
}

TEST_F(VirtioNetTest, AGroupsMacIsNoDevices) {
  const auto made = VirtioNet::create({.network = std::make_unique<FakeNetwork>(NetProperties{}, wire_),
                                       .loop = *loop_,
                                       .mac = {{0x53, 0, 0, 0, 0, 1}}});
  EXPECT_EQ(made.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(VirtioNetTest, SendsFrames) {
  const Bytes frame = frame_of(60);
  const SentRequest sent = send(frame);
  EXPECT_EQ(driver(kTransmit).take_used(), (UsedElement{sent.head, 0}));
  ASSERT_EQ(wire_.outgoing.size(), 1u);
  EXPECT_EQ(wire_.outgoing[0].bytes, frame);
  EXPECT_EQ(signals_.interrupts(kTransmit), 1u);
}

TEST_F(VirtioNetTest, OffloadsGoWithTheFrame) {
  const spec::Header header{.flags = spec::kFlagNeedsChecksum,
                            .gso_type = spec::kGsoTcp4,
                            .header_length = 54,
                            .gso_size = 1448,
                            .checksum_start = 34,
                            .checksum_offset = 16,
                            .buffers = 0};
  send(frame_of(40'000), header);
  ASSERT_EQ(wire_.outgoing.size(), 1u);
  EXPECT_EQ(wire_.outgoing[0].header.gso_size, 1448);
  EXPECT_EQ(wire_.outgoing[0].header.checksum_start, 34);
}

TEST_F(VirtioNetTest, WrongFramesAreDropped) {
  const SentRequest sent = driver(kTransmit).request().out({1, 2, 3}).send();
  device_->notify(kTransmit);
  EXPECT_EQ(driver(kTransmit).take_used(), (UsedElement{sent.head, 0})) << "no header";
  expect_dropped(frame_of(13), {});
  expect_dropped(frame_of(spec::kLargestFrame + 1), {});
  const spec::Header partial{.flags = spec::kFlagNeedsChecksum,
                             .gso_type = 0,
                             .header_length = 0,
                             .gso_size = 0,
                             .checksum_start = 0xffff,
                             .checksum_offset = 0xffff,
                             .buffers = 0};
  expect_dropped(frame_of(60), partial);
  for (const std::uint8_t type : Bytes{2, 3, 5, 0x7f, 0x80, 0xff})
    expect_dropped(frame_of(60), {.flags = 1,
                                  .gso_type = type,
                                  .header_length = 0,
                                  .gso_size = 1,
                                  .checksum_start = 0,
                                  .checksum_offset = 0,
                                  .buffers = 0});
  expect_dropped(frame_of(60), {.flags = 1,
                                .gso_type = spec::kGsoTcp4,
                                .header_length = 0,
                                .gso_size = 0,
                                .checksum_start = 0,
                                .checksum_offset = 0,
                                .buffers = 0});
  expect_dropped(frame_of(60), {.flags = 0,
                                .gso_type = spec::kGsoTcp4,
                                .header_length = 0,
                                .gso_size = 9,
                                .checksum_start = 0,
                                .checksum_offset = 0,
                                .buffers = 0});
  EXPECT_THAT(signals_.reasons(), IsEmpty()) << "the device goes on";
}

TEST_F(VirtioNetTest, OffloadsThatWereNotNegotiatedAreDropped) {
  activate(0);
  EXPECT_EQ(wire_.guest_offloads, 0u);
  expect_dropped(frame_of(60), {.flags = spec::kFlagNeedsChecksum,
                                .gso_type = 0,
                                .header_length = 0,
                                .gso_size = 0,
                                .checksum_start = 34,
                                .checksum_offset = 16,
                                .buffers = 0});
  expect_dropped(frame_of(60), {.flags = 0,
                                .gso_type = spec::kGsoTcp4,
                                .header_length = 0,
                                .gso_size = 1448,
                                .checksum_start = 0,
                                .checksum_offset = 0,
                                .buffers = 0});
}

TEST_F(VirtioNetTest, AFullNetworkKeepsFramesInTheQueue) {
  wire_.room = 2;
  for (std::uint8_t i = 0; i < 5; ++i) send(frame_of(60, i));
  EXPECT_EQ(wire_.outgoing.size(), 2u);
  EXPECT_EQ(driver(kTransmit).used_idx(), 2);
  wire_.room = SIZE_MAX;
  wire_.listener->sendable(0);
  EXPECT_TRUE(wire_.asked_in_handler);
  EXPECT_EQ(driver(kTransmit).used_idx(), 5);
  for (std::uint8_t i = 0; i < 5; ++i) EXPECT_EQ(wire_.outgoing[i].bytes, frame_of(60, i)) << "whole, and in order";
}

TEST_F(VirtioNetTest, ReceivesIntoOneBuffer) {
  const SentRequest buffer = post(1600);
  const Bytes frame = frame_of(700);
  arrive(frame, {.flags = spec::kFlagDataValid,
                 .gso_type = 0,
                 .header_length = 0,
                 .gso_size = 0,
                 .checksum_start = 0,
                 .checksum_offset = 0,
                 .buffers = 77});
  EXPECT_EQ(driver(kReceive).take_used(), (UsedElement{buffer.head, 712}));
  const Bytes written = driver(kReceive).written(buffer);
  EXPECT_EQ(header_in(written).buffers, 1);
  EXPECT_EQ(header_in(written).flags, spec::kFlagDataValid);
  EXPECT_TRUE(std::equal(frame.begin(), frame.end(), written.begin() + 12));
  EXPECT_EQ(signals_.interrupts(kReceive), 1u);
}

TEST_F(VirtioNetTest, ReceivesIntoSeveralBuffers) {
  std::vector<SentRequest> buffers;
  for (int i = 0; i < 4; ++i) buffers.push_back(post(512));
  const Bytes frame = frame_of(1300);
  arrive(frame);
  EXPECT_EQ(header_in(driver(kReceive).written(buffers[0])).buffers, 3);
  Bytes all;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto used = driver(kReceive).take_used();
    ASSERT_TRUE(used.has_value());
    EXPECT_EQ(used->id, buffers[i].head);
    const Bytes written = driver(kReceive).written(buffers[i]);
    all.insert(all.end(), written.begin(), written.begin() + used->length);
  }
  EXPECT_EQ(Bytes(all.begin() + 12, all.end()), frame);
  EXPECT_EQ(driver(kReceive).take_used(), std::nullopt);
}

// 5.1.6.4.1: all of them at once. A driver that polls takes what it sees for the whole frame, and what follows for a
// frame of its own.
TEST_F(VirtioNetTest, TheBuffersOfAFrameComeBackTogether) {
  constexpr std::uint32_t kPieces = 4;
  constexpr std::uint32_t kPiece = 512;
  DriverQueue& queue = driver(kReceive);
  std::atomic<int> torn = 0;
  const std::jthread poller([&](const std::stop_token& over) {
    while (!over.stop_requested()) torn += queue.used_idx() % kPieces != 0 ? 1 : 0;
  });
  const GuestAddress room = arena_.take(kPieces * kPiece);
  const Bytes frame = frame_of(kPieces * kPiece - sizeof(spec::Header));
  for (int i = 0; i < 5000; ++i) {
    for (std::uint32_t piece = 0; piece < kPieces; ++piece)
      queue.request().in_at(GuestAddress(room.value() + piece * kPiece), kPiece).send();
    arrive(frame);
    for (std::uint32_t piece = 0; piece < kPieces; ++piece) ASSERT_TRUE(queue.take_used().has_value());
  }
  EXPECT_EQ(torn, 0);
}

TEST_F(VirtioNetTest, FramesWaitForBuffers) {
  arrive(frame_of(100));
  arrive(frame_of(200));
  EXPECT_EQ(wire_.incoming.size(), 1u) << "one is the device's, the rest the network's";
  EXPECT_TRUE(wire_.asked_in_handler);
  post(64);
  device_->notify(kReceive);
  EXPECT_EQ(driver(kReceive).take_used(), std::nullopt) << "too small alone";
  post(512);
  device_->notify(kReceive);
  EXPECT_EQ(driver(kReceive).used_idx(), 2);
  post(512);
  device_->notify(kReceive);
  EXPECT_EQ(driver(kReceive).used_idx(), 3);
  EXPECT_THAT(wire_.incoming, IsEmpty());
}

TEST_F(VirtioNetTest, WithoutMergingAFrameThatDoesNotFitIsLost) {
  activate(~spec::kFeatureMergeableBuffers);
  const SentRequest buffer = post(512);
  arrive(frame_of(1000));
  EXPECT_EQ(driver(kReceive).take_used(), std::nullopt);
  arrive(frame_of(500));
  EXPECT_EQ(driver(kReceive).take_used(), (UsedElement{buffer.head, 512})) << "the buffer is still there";
}

TEST_F(VirtioNetTest, AFrameLargerThanAllBuffersTogetherIsLost) {
  for (std::uint16_t i = 0; i < kSize; ++i) post(20);
  arrive(frame_of(1000));
  EXPECT_EQ(driver(kReceive).used_idx(), 0);
  arrive(frame_of(60));
  EXPECT_EQ(driver(kReceive).used_idx(), 4) << "and the device goes on with the buffers that it has";
  EXPECT_THAT(signals_.reasons(), IsEmpty());
}

TEST_F(VirtioNetTest, AReceiveBufferWithoutRoomForAHeaderBreaksTheQueue) {
  post(11);
  arrive(frame_of(60));
  EXPECT_THAT(signals_.reasons(), ElementsAre(HasSubstr("no room for a header")));
  send(frame_of(60));
  EXPECT_EQ(wire_.outgoing.size(), 1u) << "the other queue works on";
}

TEST_F(VirtioNetTest, OffloadsFromBeforeAreNotShownToADriverThatTookNone) {
  activate(0);
  post(2000);
  arrive(frame_of(60), {.flags = spec::kFlagNeedsChecksum,
                        .gso_type = 0,
                        .header_length = 0,
                        .gso_size = 0,
                        .checksum_start = 34,
                        .checksum_offset = 16,
                        .buffers = 0});
  arrive(frame_of(1000), {.flags = 0,
                          .gso_type = spec::kGsoTcp4,
                          .header_length = 0,
                          .gso_size = 500,
                          .checksum_start = 0,
                          .checksum_offset = 0,
                          .buffers = 0});
  EXPECT_EQ(driver(kReceive).used_idx(), 0);
  arrive(frame_of(60), {.flags = spec::kFlagDataValid,
                        .gso_type = 0,
                        .header_length = 0,
                        .gso_size = 0,
                        .checksum_start = 0,
                        .checksum_offset = 0,
                        .buffers = 0});
  EXPECT_EQ(driver(kReceive).used_idx(), 1);
}

TEST_F(VirtioNetTest, TheLinkIsSeen) {
  const auto before = device_->config_generation();
  wire_.listener->link_changed(NetListener::Link::kDown);
  EXPECT_EQ(config(spec::kConfigStatus, 2), 0u);
  EXPECT_NE(device_->config_generation(), before);
  EXPECT_EQ(signals_.config_changes(), 1u);
  wire_.listener->link_changed(NetListener::Link::kDown);
  EXPECT_EQ(signals_.config_changes(), 1u);
  wire_.listener->link_changed(NetListener::Link::kUp);
  EXPECT_EQ(config(spec::kConfigStatus, 2), spec::kStatusLinkUp);
}

TEST_F(VirtioNetTest, ResetStopsTheNetworkAndForgetsWhatWaited) {
  NetListener* const listener = wire_.listener;
  arrive(frame_of(100));
  device_->reset();
  EXPECT_EQ(wire_.listener, nullptr);
  listener->receivable(0);  // under way meanwhile
  listener->sendable(0);
  device_->notify(kTransmit);
  device_->reset();
  activate(~0ull);
  post(512);
  device_->notify(kReceive);
  EXPECT_EQ(driver(kReceive).used_idx(), 0);
}

TEST_F(VirtioNetTest, AQueueThatIsStoppedIsLeftAloneAndTheOtherIsNot) {
  post(64);
  const SentRequest kept = post(64);
  arrive(frame_of(200));
  EXPECT_EQ(driver(kReceive).used_idx(), 0) << "the device holds both buffers, and waits for a third";
  device_->reset_queue(kReceive);
  post(512);
  device_->notify(kReceive);
  arrive(frame_of(60));
  EXPECT_EQ(driver(kReceive).used_idx(), 0);
  EXPECT_THAT(driver(kReceive).written(kept), Each(0));
  send(frame_of(60));
  EXPECT_EQ(wire_.outgoing.size(), 1u);

  device_->reset_queue(kTransmit);
  send(frame_of(60));
  wire_.listener->sendable(0);
  EXPECT_EQ(wire_.outgoing.size(), 1u);
  EXPECT_EQ(driver(kTransmit).used_idx(), 1);
}

TEST_F(VirtioNetTest, ANetworkThatDoesNotStartIsADeviceThatDoesNot) {
  wire_.refuses_to_start = true;
  EXPECT_FALSE(try_activate(~0ull).has_value());
  device_->notify(kTransmit);
}

// More frames than the device moves at a time, both ways, with queues that hold them all.
class LongBurstVirtioNetTest : public VirtioNetTest {
 protected:
  static constexpr std::uint16_t kBurst = 256;
  static constexpr std::uint16_t kFrames = 600;
  LongBurstVirtioNetTest() : VirtioNetTest({.offloads = kOffloads}, 2048) {}
};

TEST_F(LongBurstVirtioNetTest, FramesThatComeInLeaveTheLoopToOthers) {
  for (std::uint16_t i = 0; i < kFrames; ++i) post(100);
  for (std::uint16_t i = 0; i < kFrames; ++i) wire_.incoming.push_back({{}, frame_of(60)});
  device_->notify(kReceive);
  EXPECT_EQ(driver(kReceive).used_idx(), kBurst);
  EXPECT_THAT(signals_.take_again(), ElementsAre(kReceive));
  EXPECT_EQ(signals_.interrupts(kReceive), 1u) << "for what the guest has meanwhile";
  device_->notify(kReceive);
  EXPECT_EQ(driver(kReceive).used_idx(), 2 * kBurst);
  EXPECT_THAT(signals_.take_again(), ElementsAre(kReceive));
  device_->notify(kReceive);
  EXPECT_EQ(driver(kReceive).used_idx(), kFrames);
  EXPECT_THAT(signals_.take_again(), IsEmpty());
}

TEST_F(LongBurstVirtioNetTest, SoDoThoseThatAreDropped) {
  activate(0);
  for (std::uint16_t i = 0; i < kFrames; ++i)
    wire_.incoming.push_back({{.flags = spec::kFlagNeedsChecksum,
                               .gso_type = 0,
                               .header_length = 0,
                               .gso_size = 0,
                               .checksum_start = 34,
                               .checksum_offset = 16,
                               .buffers = 0},
                              frame_of(60)});
  device_->notify(kReceive);
  EXPECT_EQ(wire_.incoming.size(), kFrames - kBurst - 1u) << "and one that the device has in its hands";
  EXPECT_THAT(signals_.take_again(), ElementsAre(kReceive));
}

TEST_F(LongBurstVirtioNetTest, FramesThatGoOutDoTheSame) {
  for (std::uint16_t i = 0; i < kFrames; ++i)
    driver(kTransmit).request().out_object(spec::Header{}).out(frame_of(60, static_cast<std::uint8_t>(i))).send();
  device_->notify(kTransmit);
  EXPECT_EQ(wire_.outgoing.size(), kBurst);
  EXPECT_EQ(driver(kTransmit).used_idx(), kBurst);
  EXPECT_THAT(signals_.take_again(), ElementsAre(kTransmit));
  EXPECT_EQ(signals_.interrupts(kTransmit), 1u);
  device_->notify(kTransmit);
  EXPECT_EQ(wire_.outgoing.size(), 2u * kBurst);
  EXPECT_THAT(signals_.take_again(), ElementsAre(kTransmit));
  device_->notify(kTransmit);
  EXPECT_THAT(signals_.take_again(), IsEmpty());
  ASSERT_EQ(wire_.outgoing.size(), kFrames);
  for (std::uint16_t i = 0; i < kFrames; ++i)
    ASSERT_EQ(wire_.outgoing[i].bytes, frame_of(60, static_cast<std::uint8_t>(i))) << "frame " << i;
}

TEST_F(TwoPairsVirtioNetTest, TheDriverChoosesHowManyPairsItUses) {
  EXPECT_EQ(config(spec::kConfigQueuePairs, 2), 2u);
  wire_.incoming.push_back({{}, frame_of(60)});
  driver(2).request().in(1600).send();
  wire_.listener->receivable(1);
  EXPECT_EQ(driver(2).used_idx(), 0) << "one pair until it asks for more (5.1.6.5.5)";
  wire_.incoming.clear();
  EXPECT_EQ(command(use_pairs(2)), spec::kAckOk);
  EXPECT_EQ(wire_.pairs, 2);
  wire_.incoming.push_back({{}, frame_of(60)});
  wire_.listener->receivable(1);
  EXPECT_EQ(driver(2).used_idx(), 1);
  send(frame_of(60), {}, 3);
  EXPECT_THAT(wire_.sent_on, ElementsAre(1));
}

// Linux tells the device first and its own transmitters afterwards (virtnet_set_channels). A notification that went by
// unheard would be the last: with the event index the driver repeats none.
TEST_F(TwoPairsVirtioNetTest, FramesOfAPairThatIsTurnedOffAreSent) {
  EXPECT_EQ(command(use_pairs(2)), spec::kAckOk);
  send(frame_of(60), {}, 3);
  EXPECT_EQ(command(use_pairs(1)), spec::kAckOk);
  send(frame_of(60), {}, 3);
  EXPECT_EQ(driver(3).used_idx(), 2);
}

TEST_F(TwoPairsVirtioNetTest, FramesThatWaitedWhileTheirPairWasTurnedOffAreSent) {
  EXPECT_EQ(command(use_pairs(2)), spec::kAckOk);
  wire_.room = 0;
  send(frame_of(60), {}, 3);
  EXPECT_EQ(command(use_pairs(1)), spec::kAckOk);
  wire_.room = SIZE_MAX;
  wire_.listener->sendable(1);
  EXPECT_EQ(driver(3).used_idx(), 1);
}

TEST_F(TwoPairsVirtioNetTest, WrongCommandsAreRefused) {
  EXPECT_EQ(command({spec::kControlMultiQueue, spec::kMultiQueuePairsSet, 0, 0}), spec::kAckError);
  EXPECT_EQ(command({spec::kControlMultiQueue, spec::kMultiQueuePairsSet, 3, 0}), spec::kAckError);
  EXPECT_EQ(command({spec::kControlMultiQueue, spec::kMultiQueuePairsSet, 2}), spec::kAckError);
  EXPECT_EQ(command({spec::kControlMultiQueue, 9, 2, 0}), spec::kAckError);
  EXPECT_EQ(command({0, 0, 1}), spec::kAckError);
  EXPECT_EQ(command({4}), spec::kAckError);
  EXPECT_EQ(wire_.pairs, 1);
  driver(kControl).request().out({4, 0, 2, 0}).send();
  device_->notify(kControl);
  EXPECT_THAT(signals_.reasons(), ElementsAre(HasSubstr("no room for its acknowledgement")));
}

TEST_F(TwoPairsVirtioNetTest, WithoutMultiqueueTheControlQueueIsTheThird) {
  activate(~spec::kFeatureMultiQueue);
  const SentRequest sent = driver(2).request().out({4, 0, 2, 0}).in(1).send();
  device_->notify(2);
  EXPECT_EQ(driver(2).written(sent)[0], spec::kAckError);
  EXPECT_EQ(driver(2).used_idx(), 1);
}

}  // namespace
}  // namespace keel
