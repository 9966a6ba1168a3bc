// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/virtio_block.h"

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_disk.h"
#include "support/fake_driver_signals.h"
#include "support/virtio_driver.h"
#include "keel/base/epoll_loop.h"
#include "keel/base/little_endian.h"

namespace keel {
namespace {

using ::testing::ElementsAre;
using testing::FakeDisk;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace spec = virtio_block;
using Access = DiskProperties::Access;
using Bytes = std::vector<std::uint8_t>;

constexpr std::uint64_t kSectors = 64;
constexpr std::uint32_t kInvalidType = 0x7777;

// A guest with one disk: its memory, its driver, and the loop that serves the device.
class VirtioBlockTest : public ::testing::Test {
 protected:
  explicit VirtioBlockTest(DiskProperties properties = {.size = kSectors * 512, .can_discard = true})
      : disk_owner_(std::make_unique<FakeDisk>(properties)), disk_(*disk_owner_) {
    std::iota(disk_.data().begin(), disk_.data().end(), std::uint8_t{0});
    for (std::size_t i = 0; i < disk_.data().size(); i += 512) disk_.data()[i] = static_cast<std::uint8_t>(i / 512);
    device_ =
        VirtioBlock::create({.disk = std::move(disk_owner_), .loop = *loop_, .id = "scratch", .queues = 2}).value();
    activate(~0ull);
  }

  // Negotiates what the device offers of `wanted`.
  void activate(std::uint64_t wanted) {
    device_->reset();
    const std::uint64_t features =
        (device_->features() & wanted) | virtio::kFeatureVersion1 | virtio::kFeatureIndirectDesc;
    VirtioActivation activation{.features = features, .queues = {}, .signals = &signals_};
    drivers_.clear();
    for (std::uint16_t i = 0; i < 2; ++i) {
      drivers_.push_back(std::make_unique<DriverQueue>(arena_, 64, i));
      activation.queues.push_back(VirtQueue::create(memory_, drivers_.back()->layout(), features, signals_).value());
    }
    ASSERT_TRUE(device_->activate(std::move(activation)).has_value());
  }
  DriverQueue& driver(std::uint16_t queue = 0) { return *drivers_[queue]; }
  DriverRequest request(std::uint32_t type, std::uint64_t sector, std::uint16_t queue = 0) {
    DriverRequest made = driver(queue).request();
    made.out_object(spec::RequestHeader{.type = type, .reserved = 0, .sector = sector});
    return made;
  }
  void serve() {
    while (loop_->serve(std::chrono::milliseconds(0)).value() > 0) {
    }
  }
  // Sends it, lets the device work, and returns all that is in the writable buffers then; the last byte is the status.
  Bytes answer(DriverRequest& made, std::uint16_t queue = 0) {
    const SentRequest sent = made.send();
    device_->notify(queue);
    serve();
    const auto used = driver(queue).take_used();
    EXPECT_TRUE(used.has_value()) << "no answer";
    if (!used) return {0xee};
    EXPECT_EQ(used->id, sent.head);
    used_length_ = used->length;
    return driver(queue).written(sent);
  }
  std::uint8_t status_of(DriverRequest& made) { return answer(made).back(); }
  std::uint8_t segment(std::uint32_t type, const spec::Segment& what) {
    return status_of(request(type, 0).out_object(what).in(1));
  }
  std::uint32_t config(std::size_t offset, std::size_t size) const {
    std::array<std::uint8_t, 8> bytes = {};
    device_->read_config(offset, std::span(bytes).first(size));
    return static_cast<std::uint32_t>(load_le(std::span(bytes).first(size)));
  }

  const GuestMemory memory_ = GuestMemory::create(std::array{GuestRange::constant(0, 0xff'ffff)}).value();
  GuestArena arena_{memory_, GuestRange::constant(0x1000, 0xff'ffff)};
  FakeDriverSignals signals_;
  std::unique_ptr<EpollLoop> loop_ = EpollLoop::create().value();
  std::unique_ptr<FakeDisk> disk_owner_;
  FakeDisk& disk_;
  std::shared_ptr<VirtioBlock> device_;
  std::vector<std::unique_ptr<DriverQueue>> drivers_;
  std::uint32_t used_length_ = 0;
};

class ReadOnlyVirtioBlockTest : public VirtioBlockTest {
 protected:
  ReadOnlyVirtioBlockTest() : VirtioBlockTest({.size = kSectors * 512, .access = Access::kReadOnly}) {}
};

TEST_F(VirtioBlockTest, TellsItsDriverWhatItIs) {
  EXPECT_EQ(device_->device_id(), virtio::DeviceId::kBlock);
  EXPECT_EQ(config(spec::kConfigCapacity, 8), kSectors);
  EXPECT_EQ(config(spec::kConfigBlockSize, 4), 512u);
  EXPECT_EQ(config(spec::kConfigQueues, 2), 2u);
  EXPECT_EQ(config(spec::kConfigSegMax, 4), 254u);
  EXPECT_EQ(config(spec::kConfigMaxDiscardSegments, 4), 1u);
  EXPECT_NE(device_->features() & spec::kFeatureMultiQueue, 0u);
  EXPECT_EQ(device_->features() & spec::kFeatureReadOnly, 0u);
}

TEST_F(VirtioBlockTest, ConfigurationOfAnySizeAnywhere) {
  EXPECT_EQ(config(spec::kConfigSize, 8), 0u);
  EXPECT_EQ(config(spec::kConfigSize - 4, 8), 1u) << "the last field, and zeroes behind it";
  EXPECT_EQ(config(~std::size_t{0}, 4), 0u);
  EXPECT_EQ(config(1, 8), 0u) << "a misaligned read is bytes";
}

TEST_F(VirtioBlockTest, ReadsSectors) {
  const Bytes got = answer(request(spec::kTypeIn, 3).in(512).in(1024).in(1));
  EXPECT_EQ(used_length_, 1537u);
  EXPECT_EQ(got.back(), spec::kStatusOk);
  EXPECT_TRUE(std::equal(got.begin(), got.end() - 1, disk_.data().begin() + 3 * 512));
}

TEST_F(VirtioBlockTest, WritesSectors) {
  EXPECT_EQ(status_of(request(spec::kTypeOut, 63).out(Bytes(500, 0xab)).out(Bytes(12, 0xcd)).in(1)), spec::kStatusOk);
  EXPECT_EQ(used_length_, 1u);
  EXPECT_EQ(disk_.data()[63 * 512], 0xab);
  EXPECT_EQ(disk_.data()[64 * 512 - 1], 0xcd);
}

TEST_F(VirtioBlockTest, FramingMeansNothing) {
  // The header in three pieces, the data and the status in one.
  const spec::RequestHeader header{.type = spec::kTypeIn, .reserved = 0, .sector = 5};
  const auto* const raw = reinterpret_cast<const std::uint8_t*>(&header);
  DriverRequest made = driver().request();
  const Bytes got = answer(made.out({raw, 3}).out({raw + 3, 9}).out({raw + 12, 4}).in(513).indirect());
  EXPECT_EQ(got[0], 5);
  EXPECT_EQ(got.back(), spec::kStatusOk);
}

TEST_F(VirtioBlockTest, FlushReachesTheDisk) {
  EXPECT_EQ(status_of(request(spec::kTypeFlush, 0).in(1)), spec::kStatusOk);
  EXPECT_EQ(disk_.history().back().operation, BlockRequest::Operation::kFlush);
}

TEST_F(VirtioBlockTest, SaysItsId) {
  const Bytes got = answer(request(spec::kTypeGetId, 0).in(20).in(1));
  EXPECT_EQ(std::string(got.begin(), got.begin() + 8), std::string("scratch\0", 8));
  EXPECT_EQ(used_length_, 21u);
  EXPECT_EQ(status_of(request(spec::kTypeGetId, 0).in(4).in(1)), spec::kStatusOk);
}

TEST_F(VirtioBlockTest, BeyondTheEndIsAnIoError) {
  for (const std::uint64_t sector : {kSectors - 1, kSectors, kSectors + 1, std::uint64_t{1} << 55, ~std::uint64_t{0}}) {
    EXPECT_EQ(status_of(request(spec::kTypeIn, sector).in(1024).in(1)), spec::kStatusIoError) << sector;
    EXPECT_EQ(used_length_, 1u);
    EXPECT_EQ(status_of(request(spec::kTypeOut, sector).out(Bytes(1024)).in(1)), spec::kStatusIoError) << sector;
    EXPECT_EQ(segment(spec::kTypeWriteZeroes, {sector, 2, 0}), spec::kStatusIoError) << sector;
    EXPECT_EQ(segment(spec::kTypeDiscard, {sector, 2, 0}), spec::kStatusIoError) << sector;
  }
  EXPECT_THAT(disk_.history(), IsEmpty()) << "the disk never heard of it";
}

TEST_F(VirtioBlockTest, WhatIsNoWholeSectorsIsAnIoError) {
  EXPECT_EQ(status_of(request(spec::kTypeIn, 0).in(511).in(1)), spec::kStatusIoError);
  EXPECT_EQ(status_of(request(spec::kTypeOut, 0).out(Bytes(513)).in(1)), spec::kStatusIoError);
}

TEST_F(VirtioBlockTest, MorePiecesThanADriverMaySendAreAnIoError) {
  const auto status_of_pieces = [&](std::size_t pieces) {
    DriverRequest made = request(spec::kTypeIn, 0);
    const GuestAddress at = arena_.take(512);
    // Whole sectors all the same: as many pieces of one byte as there are, and one of the rest.
    for (std::size_t i = 1; i < pieces; ++i) made.in_at(at, 1);
    const auto rest = static_cast<std::uint32_t>(512 - (pieces - 1) % 512);
    return status_of(made.in_at(at, rest).in(1).indirect());
  };
  const std::uint32_t limit = config(spec::kConfigSegMax, 4);
  EXPECT_EQ(status_of_pieces(limit), spec::kStatusOk);
  // A piece of the driver's that lies across regions of memory is several here.
  EXPECT_EQ(status_of_pieces(2 * limit), spec::kStatusOk);
  EXPECT_EQ(status_of_pieces(2 * limit + 1), spec::kStatusIoError);
  EXPECT_EQ(status_of_pieces(VirtQueue::kLongestIndirect - 2), spec::kStatusIoError);
  EXPECT_EQ(disk_.history().size(), 2u);
  EXPECT_THAT(signals_.reasons(), IsEmpty());
}

TEST_F(VirtioBlockTest, AShortHeaderIsAnIoError) {
  DriverRequest made = driver().request();
  EXPECT_EQ(status_of(made.out({0, 0, 0}).in(512).in(1)), spec::kStatusIoError);
  DriverRequest none = driver().request();
  EXPECT_EQ(status_of(none.in(512).in(1)), spec::kStatusIoError);
}

TEST_F(VirtioBlockTest, UnknownRequestsAreUnsupported) {
  EXPECT_EQ(status_of(request(kInvalidType, 0).in(512).in(1)), spec::kStatusUnsupported);
  EXPECT_EQ(status_of(request(2, 0).in(1)), spec::kStatusUnsupported) << "SCSI commands, of old";
}

TEST_F(VirtioBlockTest, NoRoomForAStatusBreaksTheQueueAlone) {
  request(spec::kTypeOut, 0).out(Bytes(512)).send();
  device_->notify(0);
  EXPECT_THAT(signals_.reasons(), ElementsAre(HasSubstr("no room for its status")));
  EXPECT_EQ(driver().take_used(), std::nullopt);
  const SentRequest other = request(spec::kTypeFlush, 0, 1).in(1).send();
  device_->notify(1);
  EXPECT_EQ(driver(1).take_used(), (UsedElement{other.head, 1}));
}

TEST_F(VirtioBlockTest, ZeroesAndHoles) {
  EXPECT_EQ(segment(spec::kTypeWriteZeroes, {8, 2, 0}), spec::kStatusOk);
  EXPECT_EQ(disk_.history().back().operation, BlockRequest::Operation::kWriteZeroes);
  EXPECT_EQ(segment(spec::kTypeWriteZeroes, {10, 2, spec::kSegmentUnmap}), spec::kStatusOk);
  EXPECT_EQ(disk_.history().back().operation, BlockRequest::Operation::kUnmapZeroes);
  EXPECT_TRUE(std::all_of(disk_.data().begin() + 8 * 512, disk_.data().begin() + 12 * 512,
                          [](std::uint8_t byte) { return byte == 0; }));
  EXPECT_EQ(disk_.data()[12 * 512], 12);
  EXPECT_EQ(segment(spec::kTypeDiscard, {0, 8, 0}), spec::kStatusOk);
  EXPECT_EQ(disk_.history().back().operation, BlockRequest::Operation::kDiscard);
}

TEST_F(VirtioBlockTest, ZeroesAndHolesThatAreWrong) {
  EXPECT_EQ(segment(spec::kTypeDiscard, {0, 1, spec::kSegmentUnmap}), spec::kStatusUnsupported);
  EXPECT_EQ(segment(spec::kTypeWriteZeroes, {0, 1, 2}), spec::kStatusUnsupported);
  EXPECT_EQ(segment(spec::kTypeWriteZeroes, {0, ~0u, 0}), spec::kStatusIoError) << "more than the device said";
  EXPECT_EQ(status_of(request(spec::kTypeDiscard, 0).out(Bytes(15)).in(1)), spec::kStatusIoError);
  EXPECT_EQ(status_of(request(spec::kTypeDiscard, 0).out(Bytes(32)).in(1)), spec::kStatusIoError) << "two segments";
  activate(0);
  EXPECT_EQ(segment(spec::kTypeDiscard, {0, 1, 0}), spec::kStatusUnsupported) << "not negotiated";
  EXPECT_THAT(disk_.history(), IsEmpty());
}

TEST_F(VirtioBlockTest, TheDisksFailureIsTheDriversIoError) {
  disk_.answer(BlockCompletion::Status::kFailed);
  EXPECT_EQ(status_of(request(spec::kTypeIn, 0).in(512).in(1)), spec::kStatusIoError);
  disk_.answer(BlockCompletion::Status::kUnsupported);
  EXPECT_EQ(segment(spec::kTypeDiscard, {0, 1, 0}), spec::kStatusUnsupported);
}

TEST_F(VirtioBlockTest, ADriverWithoutFlushHasEveryWriteMadeStable) {
  using enum BlockRequest::Durability;
  const auto durability = [&] {
    EXPECT_EQ(status_of(request(spec::kTypeOut, 0).out(Bytes(512)).in(1)), spec::kStatusOk);
    return disk_.history().back().durability;
  };
  EXPECT_EQ(durability(), kCached);
  device_->write_config(spec::kConfigWriteback, Bytes{0});
  EXPECT_EQ(durability(), kStable) << "the driver switched the cache off";
  EXPECT_EQ(config(spec::kConfigWriteback, 1), 0u);
  device_->reset();
  EXPECT_EQ(config(spec::kConfigWriteback, 1), 1u) << "as at the start";
  activate(0);
  EXPECT_EQ(durability(), kStable) << "without FLUSH the driver cannot ask for it";
  activate(spec::kFeatureConfigWce);
  EXPECT_EQ(config(spec::kConfigWriteback, 1), 0u) << "5.2.5.2";
  EXPECT_EQ(durability(), kStable);
  device_->write_config(spec::kConfigWriteback, Bytes{1});
  EXPECT_EQ(durability(), kStable) << "still without a flush";
  activate(spec::kFeatureFlush);
  EXPECT_EQ(config(spec::kConfigWriteback, 1), 1u);
  EXPECT_EQ(durability(), kCached);
}

TEST_F(VirtioBlockTest, NothingElseOfTheConfigurationIsWritten) {
  for (std::uint64_t offset = 0; offset < 80; ++offset) device_->write_config(offset, Bytes(8, 0xff));
  device_->write_config(~0ull, Bytes(8, 0xff));
  EXPECT_EQ(config(spec::kConfigCapacity, 8), kSectors);
  EXPECT_EQ(config(spec::kConfigWriteback, 1), 1u);
}

TEST_F(ReadOnlyVirtioBlockTest, RefusesToChange) {
  EXPECT_NE(device_->features() & spec::kFeatureReadOnly, 0u);
  EXPECT_EQ(device_->features() & (spec::kFeatureDiscard | spec::kFeatureWriteZeroes), 0u);
  EXPECT_EQ(status_of(request(spec::kTypeOut, 0).out(Bytes(512)).in(1)), spec::kStatusIoError);
  EXPECT_EQ(segment(spec::kTypeWriteZeroes, {0, 1, 0}), spec::kStatusUnsupported);
  EXPECT_THAT(disk_.history(), IsEmpty());
  EXPECT_EQ(status_of(request(spec::kTypeIn, 0).in(512).in(1)), spec::kStatusOk);
}

TEST_F(VirtioBlockTest, ManyRequestsAreOneCommitAndCompleteInAnyOrder) {
  disk_.hold();
  std::vector<SentRequest> sent;
  for (std::uint64_t i = 0; i < 10; ++i) sent.push_back(request(spec::kTypeIn, i).in(512).in(1).send());
  device_->notify(0);
  EXPECT_EQ(disk_.commits(), 1);
  EXPECT_EQ(driver().take_used(), std::nullopt);
  EXPECT_EQ(signals_.interrupts(), 0u);
  disk_.release();
  serve();
  EXPECT_EQ(signals_.interrupts(), 1u) << "one interrupt for the batch";
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(driver().take_used()->id, sent[9 - i].head);
  for (std::uint8_t i = 0; i < 10; ++i) EXPECT_EQ(driver().written(sent[i])[0], i);
  EXPECT_TRUE(disk_.asked_in_handler());
}

TEST_F(VirtioBlockTest, ResetWaitsForTheDiskAndAnswersNothing) {
  disk_.hold();
  const SentRequest sent = request(spec::kTypeIn, 0).in(512).in(1).send();
  device_->notify(0);
  EXPECT_EQ(disk_.held(), 1u);
  device_->reset();
  EXPECT_EQ(disk_.held(), 0u) << "the host is done with guest memory";
  serve();
  EXPECT_EQ(driver().take_used(), std::nullopt);
  EXPECT_EQ(signals_.interrupts(), 0u);
  device_->notify(0);
  device_->reset();
  disk_.hold(FakeDisk::Hold::kOff);
  activate(~0ull);
  EXPECT_EQ(status_of(request(spec::kTypeIn, 0).in(512).in(1)), spec::kStatusOk);
}

TEST_F(VirtioBlockTest, ResetBeginsNothingThatTheDiskHasNotBegun) {
  disk_.hold();
  request(spec::kTypeOut, 1).out(Bytes(512, 9)).in(1).send();
  device_->notify(0);
  device_->reset();
  EXPECT_EQ(disk_.held(), 0u);
  EXPECT_EQ(disk_.data()[512], 1) << "nobody waits for a write of the driver that has gone";
  disk_.hold(FakeDisk::Hold::kOff);
  activate(~0ull);
  EXPECT_EQ(status_of(request(spec::kTypeOut, 1).out(Bytes(512, 9)).in(1)), spec::kStatusOk);
  EXPECT_EQ(disk_.data()[512], 9);
}

TEST_F(VirtioBlockTest, AQueueThatIsStoppedIsLeftAloneAndTheOtherIsNot) {
  disk_.hold();
  const SentRequest gone = request(spec::kTypeOut, 1).out(Bytes(512, 9)).in(1).send();
  const SentRequest stays = request(spec::kTypeIn, 2, 1).in(512).in(1).send();
  device_->notify(0);
  device_->notify(1);
  EXPECT_EQ(disk_.held(), 2u);
  device_->reset_queue(0);
  EXPECT_EQ(disk_.held(), 0u) << "the host is done with the queue's memory";
  disk_.hold(FakeDisk::Hold::kOff);
  // What was under way is done: nobody takes back what a driver asked for.
  EXPECT_EQ(disk_.data()[512], 9);
  EXPECT_EQ(driver(0).take_used()->id, gone.head);
  EXPECT_EQ(driver(1).take_used()->id, stays.head);
  EXPECT_EQ(driver(1).written(stays)[0], 2);
  // From here on the one is dead and the other lives.
  request(spec::kTypeOut, 3).out(Bytes(512, 9)).in(1).send();
  device_->notify(0);
  serve();
  EXPECT_EQ(disk_.data()[3 * 512], 3);
  EXPECT_EQ(driver(0).take_used(), std::nullopt);
  EXPECT_EQ(answer(request(spec::kTypeIn, 4, 1).in(512).in(1), 1).front(), 4);
}

TEST_F(VirtioBlockTest, GoingAwayWaitsForTheDisk) {
  disk_.hold();
  request(spec::kTypeOut, 1).out(Bytes(512, 9)).in(1).send();
  device_->notify(0);
  device_.reset();
  EXPECT_EQ(driver().take_used(), std::nullopt);
  EXPECT_EQ(loop_->serve(std::chrono::milliseconds(0)).value(), 0u);
}

TEST_F(VirtioBlockTest, QueuesThatTheDriverLeftOutAreNotServed) {
  device_->reset();
  VirtioActivation activation{.features = virtio::kFeatureVersion1, .queues = {}, .signals = &signals_};
  activation.queues.resize(2);
  ASSERT_TRUE(device_->activate(std::move(activation)).has_value());
  device_->notify(0);
  device_->notify(1);
  device_->notify(0xffff);
}

TEST(VirtioBlock, NeedsADiskAndQueues) {
  const auto loop = EpollLoop::create().value();
  EXPECT_EQ(VirtioBlock::create({.disk = nullptr, .loop = *loop, .id = ""}).error().code(),
            ErrorCode::kInvalidArgument);
  auto disk = std::make_unique<FakeDisk>(DiskProperties{.size = 512});
  EXPECT_EQ(VirtioBlock::create({.disk = std::move(disk), .loop = *loop, .id = "", .queues = 0}).error().code(),
            ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace keel
