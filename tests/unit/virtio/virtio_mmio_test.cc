// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/virtio/virtio_mmio.h"

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "fake/doorbell_machine.h"
#include "support/fake_interrupt.h"
#include "support/fake_virtio_device.h"
#include "support/late_virtio_device.h"
#include "support/virtio_mmio_driver.h"
#include "keel/base/epoll_loop.h"
#include "keel/virtio/virtio_mmio_spec.h"

namespace keel {
namespace {

using namespace virtio;
using namespace virtio_mmio;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kOffered = FakeVirtioDevice::kFeatureA | FakeVirtioDevice::kFeatureB |
                                   FakeVirtioDevice::kFeatureHigh | kFeatureIndirectDesc | kFeatureEventIdx |
                                   kFeatureVersion1 | kFeatureRingReset;

class VirtioMmioTest : public ::testing::Test {
 protected:
  VirtioMmioTest() {
    EXPECT_TRUE(plug().has_value());
    std::ignore = device_->take_calls();
  }

  Result<void> plug() {
    auto wire = std::make_unique<testing::FakeLevelInterrupt>();
    wire_ = wire.get();
    lines_.push_back(std::move(wire));
    return transport_->assign({.id = InstanceId(1), .resources = resources_, .lines = lines_});
  }
  // To DRIVER_OK with both queues.
  void bring_up(std::uint64_t features = kFeatureVersion1) {
    ASSERT_TRUE(driver_.negotiate(features));
    ASSERT_TRUE(driver_.set_up(queues_[0]));
    ASSERT_TRUE(driver_.set_up(queues_[1]));
    driver_.start();
    serve();
    std::ignore = device_->take_calls();
  }
  // What the event loop's thread would do by now.
  void serve() { ASSERT_TRUE(loop_->serve(std::chrono::milliseconds(0)).has_value()); }

  const std::vector<GuestRange> ram_ = {GuestRange::constant(0, 0xf'ffff)};
  const GuestMemory memory_ = GuestMemory::create(ram_).value();
  GuestArena arena_{memory_, GuestRange::constant(0x1000, 0xf'ffff)};
  std::array<DriverQueue, 2> queues_ = {DriverQueue(arena_, 8, 0), DriverQueue(arena_, 4, 1)};
  testing::FakeLevelInterrupt* wire_ = nullptr;
  std::vector<std::unique_ptr<LevelInterrupt>> lines_;
  const DeviceResources resources_;
  const std::unique_ptr<EpollLoop> loop_ = EpollLoop::create().value();
  const std::shared_ptr<FakeVirtioDevice> device_ = std::make_shared<FakeVirtioDevice>();
  std::shared_ptr<VirtioMmio> transport_ = VirtioMmio::create(device_, memory_, *loop_).value();
  VirtioMmioDriver driver_{*transport_};
};

TEST_F(VirtioMmioTest, SaysWhatItIs) {
  EXPECT_EQ(driver_.read(kMagicValue), 0x7472'6976u);
  EXPECT_EQ(driver_.read(kVersion), 2u);
  EXPECT_EQ(driver_.read(kDeviceId), 4u);
  EXPECT_EQ(driver_.read(kVendorId), 0x6c65'656bu);
  EXPECT_EQ(transport_->type(), "virtio-fake");
}

TEST_F(VirtioMmioTest, WantsItsDoorbellsServedWhereItsDeviceWorks) {
  EXPECT_EQ(transport_->doorbell_loop(), loop_.get());
}

// 4.2.2: a queue is notified by writing its number, in 4 bytes, to QueueNotify at 0x50.
TEST_F(VirtioMmioTest, EachQueueHasADoorbellAtQueueNotify) {
  const MmioAddress notify(0xd000'1050);
  EXPECT_THAT(transport_->mmio_doorbells(MmioRange::constant(0xd000'1000, 0xd000'1fff)),
              ElementsAre(MmioDoorbell{.address = notify, .value = 0, .size = 4, .match = DoorbellMatch::kExactWrite},
                          MmioDoorbell{.address = notify, .value = 1, .size = 4, .match = DoorbellMatch::kExactWrite}));
  EXPECT_THAT(transport_->mmio_doorbells(MmioRange::constant(0xd000'1000, 0xd000'104f)), IsEmpty())
      << "a range that ends before it";
}

// The whole way: the doorbells are bound when the device is attached, a ring costs no access of a vCPU's, and the
// device hears of the queue that was meant.
TEST_F(VirtioMmioTest, ADoorbellsRingNotifiesTheDeviceOfItsQueue) {
  transport_->released();
  fake::DoorbellMachine machine(*loop_);
  auto handle = machine.devices.attach(transport_, {.name = "a"}).value();
  bring_up();
  using Took = testing::FakeDoorbellHost::Took;
  const MmioAddress notify(0xd000'0050);
  EXPECT_EQ(machine.host.write(notify, std::array<std::uint8_t, 4>{1, 0, 0, 0}), Took::kEvent);
  EXPECT_THAT(device_->take_calls(), IsEmpty()) << "a vCPU does not do the device's work";
  serve();
  EXPECT_THAT(device_->take_calls(), ElementsAre("notify 1"));
  EXPECT_EQ(machine.host.write(notify, std::array<std::uint8_t, 4>{0, 0, 0, 0}), Took::kEvent);
  serve();
  EXPECT_THAT(device_->take_calls(), ElementsAre("notify 0"));
  EXPECT_EQ(machine.host.write(notify, std::array<std::uint8_t, 4>{2, 0, 0, 0}), Took::kDevice) << "no such queue";
  EXPECT_EQ(machine.host.write(notify, std::array<std::uint8_t, 2>{1, 0}), Took::kDevice) << "no access to a register";
  serve();
  EXPECT_THAT(device_->take_calls(), IsEmpty());
  ASSERT_TRUE(handle.detach().has_value());
  EXPECT_EQ(machine.host.bound(), 0u);
}

TEST_F(VirtioMmioTest, FeaturesComeByPage) {
  // The transport adds its own, and keeps back what it does not play (ACCESS_PLATFORM).
  EXPECT_EQ(driver_.device_features(), kOffered);
  driver_.write(kDeviceFeaturesSel, 2);
  EXPECT_EQ(driver_.read(kDeviceFeatures), 0u);
  driver_.write(kDeviceFeaturesSel, 0xffff'ffff);
  EXPECT_EQ(driver_.read(kDeviceFeatures), 0u);
}

TEST_F(VirtioMmioTest, DriverComesUp) {
  ASSERT_TRUE(driver_.negotiate(kFeatureVersion1 | FakeVirtioDevice::kFeatureA | FakeVirtioDevice::kFeatureHigh));
  ASSERT_TRUE(driver_.set_up(queues_[0]));
  EXPECT_THAT(device_->take_calls(), ElementsAre("reset"));
  driver_.start();
  EXPECT_EQ(driver_.status(), 0x0fu);
  EXPECT_THAT(device_->take_calls(), ElementsAre("activate features 0x10000100000001 queues 8 none"));
  serve();  // what was there before DRIVER_OK is looked at
  EXPECT_THAT(device_->take_calls(), ElementsAre("notify 0"));
}

TEST_F(VirtioMmioTest, DriverMayUseSmallerQueues) {
  ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
  DriverQueue small(arena_, 2, 1);
  ASSERT_TRUE(driver_.set_up(small));
  driver_.start();
  EXPECT_THAT(device_->take_calls(), ElementsAre("reset", "activate features 0x100000000 queues none 2"));
}

// The status machine.

TEST_F(VirtioMmioTest, FeaturesThatDoNotStick) {
  EXPECT_FALSE(driver_.negotiate(0)) << "without VERSION_1";
  EXPECT_FALSE(driver_.negotiate(kFeatureVersion1 | 4)) << "not offered";
  EXPECT_FALSE(driver_.negotiate(kFeatureVersion1 | kFeatureAccessPlatform)) << "not offered by the transport";
  EXPECT_FALSE(driver_.negotiate(kFeatureVersion1 | FakeVirtioDevice::kFeatureB)) << "B without A";
  EXPECT_TRUE(driver_.negotiate(kOffered));
}

TEST_F(VirtioMmioTest, FeaturesBeyondTheSecondPageDoNotStick) {
  driver_.reset();
  driver_.add_status(kStatusAcknowledge);
  driver_.add_status(kStatusDriver);
  driver_.set_features(kFeatureVersion1);
  driver_.write(kDriverFeaturesSel, 2);
  driver_.write(kDriverFeatures, 1);
  driver_.add_status(kStatusFeaturesOk);
  EXPECT_EQ(driver_.status(), 0x03u);
}

TEST_F(VirtioMmioTest, StepsOutOfOrderStayOff) {
  driver_.write(kStatus, kStatusDriver);
  EXPECT_EQ(driver_.status(), 0u);
  driver_.write(kStatus, kStatusAcknowledge | kStatusFeaturesOk | kStatusDriverOk);
  EXPECT_EQ(driver_.status(), 1u);
  driver_.write(kStatus, kStatusAcknowledge | kStatusDriver | kStatusDriverOk);
  EXPECT_EQ(driver_.status(), 3u);
  EXPECT_THAT(device_->take_calls(), IsEmpty());
}

TEST_F(VirtioMmioTest, BitsAreNotCleared) {
  ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
  driver_.write(kStatus, kStatusAcknowledge);
  EXPECT_EQ(driver_.status(), 0x0bu);
}

TEST_F(VirtioMmioTest, FeaturesAreFrozenAfterFeaturesOk) {
  ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
  driver_.set_features(kOffered);
  driver_.start();
  EXPECT_THAT(device_->take_calls(), ElementsAre("reset", "activate features 0x100000000 queues none none"));
}

TEST_F(VirtioMmioTest, NothingStartsAfterFailed) {
  ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
  driver_.add_status(kStatusFailed);
  driver_.start();
  EXPECT_EQ(driver_.status(), 0x8bu);
  EXPECT_FALSE(driver_.set_up(queues_[0]));
  EXPECT_THAT(device_->take_calls(), ElementsAre("reset"));
}

TEST_F(VirtioMmioTest, DeviceThatCannotStartNeedsReset) {
  device_->refuse_activation();
  ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
  driver_.start();
  EXPECT_EQ(driver_.status(), 0x4fu);
  EXPECT_EQ(driver_.take_interrupts(), kInterruptConfigChange);
  EXPECT_EQ(transport_->last_failure(), "the fake refuses");
}

// Queues.

TEST_F(VirtioMmioTest, QueuesSayTheirLargestSize) {
  driver_.write(kQueueSel, 0);
  EXPECT_EQ(driver_.read(kQueueSizeMax), 8u);
  driver_.write(kQueueSel, 1);
  EXPECT_EQ(driver_.read(kQueueSizeMax), 4u);
  for (const std::uint32_t absent : {2u, 0x1'0000u, 0xffff'ffffu}) {
    driver_.write(kQueueSel, absent);
    EXPECT_EQ(driver_.read(kQueueSizeMax), 0u);
    EXPECT_EQ(driver_.read(kQueueReady), 0u);
  }
}

TEST_F(VirtioMmioTest, QueueThatIsNotThereTakesNothing) {
  ASSERT_TRUE(driver_.negotiate(kFeatureVersion1 | kFeatureRingReset));
  driver_.write(kQueueSel, 2);
  for (std::uint64_t offset = kQueueSize; offset <= kQueueReset; offset += 4) {
    if (offset != kStatus) driver_.write(offset, 1);
  }
  EXPECT_EQ(driver_.read(kQueueReady), 0u);
  driver_.start();
  EXPECT_THAT(device_->take_calls(), ElementsAre("reset", "activate features 0x10100000000 queues none none"));
}

TEST_F(VirtioMmioTest, QueuesAreNotSetUpBeforeFeaturesOk) {
  driver_.reset();
  EXPECT_FALSE(driver_.set_up(queues_[0]));
  driver_.add_status(kStatusAcknowledge);
  driver_.add_status(kStatusDriver);
  EXPECT_FALSE(driver_.set_up(queues_[0]));
}

TEST_F(VirtioMmioTest, ReadyQueueDoesNotMove) {
  ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
  ASSERT_TRUE(driver_.set_up(queues_[0]));
  driver_.write(kQueueSize, 2);
  driver_.write(kQueueDescLow, 0x3);
  driver_.write(kQueueDescHigh, 0xffff'ffff);
  driver_.start();
  EXPECT_EQ(device_->queue(0)->size(), 8);
  queues_[0].request().in(1).send();
  EXPECT_TRUE(device_->queue(0)->pop().has_value());
}

TEST_F(VirtioMmioTest, ReadyQueueCanBeTakenBackBeforeDriverOk) {
  ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
  ASSERT_TRUE(driver_.set_up(queues_[0]));
  driver_.write(kQueueReady, 0);
  EXPECT_EQ(driver_.read(kQueueReady), 0u);
  driver_.start();
  EXPECT_EQ(device_->queue(0), nullptr);
}

TEST_F(VirtioMmioTest, QueueIsNotSetUpAfterDriverOk) {
  ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
  ASSERT_TRUE(driver_.set_up(queues_[0]));
  driver_.start();
  EXPECT_FALSE(driver_.set_up(queues_[1]));
  EXPECT_EQ(device_->queue(1), nullptr);
}

TEST_F(VirtioMmioTest, QueueStopsWhenItIsNotReadyAnyMore) {
  bring_up();
  driver_.write(kQueueSel, 0);
  driver_.write(kQueueReady, 0);
  EXPECT_EQ(driver_.read(kQueueReady), 0u);
  EXPECT_THAT(device_->take_calls(), ElementsAre("reset queue 0"));
  EXPECT_EQ(device_->queue(0), nullptr);
  EXPECT_NE(device_->queue(1), nullptr);
  driver_.write(kQueueReady, 0);
  EXPECT_THAT(device_->take_calls(), IsEmpty()) << "it has stopped already";
  EXPECT_FALSE(driver_.set_up(queues_[0])) << "it comes back with a reset";
  EXPECT_EQ(driver_.status(), 0x0fu) << "the device goes on";
  bring_up();
  EXPECT_NE(device_->queue(0), nullptr);
}

TEST_F(VirtioMmioTest, QueueOfADeviceThatNeedsResetStopsToo) {
  bring_up();
  device_->signals()->needs_reset("the test says so");
  driver_.write(kQueueSel, 1);
  driver_.write(kQueueReady, 0);
  EXPECT_EQ(driver_.read(kQueueReady), 0u);
  EXPECT_THAT(device_->take_calls(), ElementsAre("reset queue 1"));
}

TEST_F(VirtioMmioTest, DeviceThatCannotStopOneQueueStopsAltogether) {
  const auto transport = VirtioMmio::create(std::make_shared<LateVirtioDevice>(), memory_, *loop_).value();
  VirtioMmioDriver driver(*transport);
  ASSERT_TRUE(driver.negotiate(kFeatureVersion1));
  DriverQueue queue(arena_, 8, 0);
  ASSERT_TRUE(driver.set_up(queue));
  driver.start();
  driver.write(kQueueReady, 0);
  EXPECT_EQ(driver.read(kQueueReady), 0u);
  queue.request().in(16).send();
  driver.notify(0);
  serve();
  EXPECT_EQ(queue.used_idx(), 0);
}

TEST_F(VirtioMmioTest, QueueThatCannotBeNeedsReset) {
  const auto refused = [&](auto change) {
    EXPECT_TRUE(driver_.negotiate(kFeatureVersion1));
    driver_.place(queues_[0].layout());
    change();
    driver_.write(kQueueReady, 1);
    EXPECT_EQ(driver_.read(kQueueReady), 0u);
    EXPECT_EQ(driver_.status(), 0x4bu);
    driver_.start();
    EXPECT_EQ(driver_.status(), 0x4bu) << "nor does it start";
    EXPECT_FALSE(wire_->is_high()) << "no interrupt before DRIVER_OK";
    return transport_->last_failure();
  };
  EXPECT_THAT(refused([&] { driver_.write(kQueueSize, 0); }), HasSubstr("queue 0: a queue of 0 entries"));
  EXPECT_THAT(refused([&] { driver_.write(kQueueSize, 16); }), HasSubstr("queue 0: a queue of 0 entries"));
  EXPECT_THAT(refused([&] { driver_.write(kQueueSize, 0x1'0008); }), HasSubstr("queue 0: a queue of 0 entries"));
  EXPECT_THAT(refused([&] { driver_.write(kQueueSize, 7); }), HasSubstr("queue 0: a queue of 7 entries"));
  EXPECT_THAT(refused([&] { driver_.write(kQueueDescLow, 8); }), HasSubstr("not aligned to 16 bytes"));
  EXPECT_THAT(refused([&] { driver_.write(kQueueDriverHigh, 0xffff'ffff); }), HasSubstr("available ring: "));
  EXPECT_THAT(refused([&] { driver_.write(kQueueDeviceLow, 0xd000'0000); }), HasSubstr("used ring: "));
  EXPECT_THAT(device_->take_calls(), Each("reset"));
}

TEST_F(VirtioMmioTest, OneQueueIsResetAndComesBack) {
  bring_up(kFeatureVersion1 | kFeatureRingReset);
  driver_.write(kQueueSel, 1);
  driver_.write(kQueueReset, 1);
  EXPECT_EQ(driver_.read(kQueueReset), 0u);
  EXPECT_EQ(driver_.read(kQueueReady), 0u);
  EXPECT_THAT(device_->take_calls(), ElementsAre("reset queue 1"));
  DriverQueue again(arena_, 2, 1);
  EXPECT_TRUE(driver_.set_up(again));
  serve();
  EXPECT_THAT(device_->take_calls(), ElementsAre("restart queue 1 of 2", "notify 1"));
}

TEST_F(VirtioMmioTest, QueueResetThatWasNotNegotiatedIsIgnored) {
  bring_up();
  driver_.write(kQueueSel, 1);
  driver_.write(kQueueReset, 1);
  EXPECT_EQ(driver_.read(kQueueReady), 1u);
  EXPECT_THAT(device_->take_calls(), IsEmpty());
}

// Notifications.

TEST_F(VirtioMmioTest, NotificationReachesTheDeviceOnTheLoop) {
  bring_up();
  driver_.notify(1);
  driver_.notify(0);
  driver_.notify(1);
  EXPECT_THAT(device_->take_calls(), IsEmpty()) << "a vCPU does not do the device's work";
  serve();
  EXPECT_THAT(device_->take_calls(), ElementsAre("notify 0", "notify 1"));
}

TEST_F(VirtioMmioTest, NotificationFromTheLoopItselfIsServedAtOnce) {
  bring_up();
  const EventFd doorbell = EventFd::create().value();
  const Watch watch = loop_
                          ->watch(doorbell.fd(), Readiness::kReadable,
                                  [&] {
                                    EXPECT_TRUE(doorbell.drain().has_value());
                                    driver_.notify(1);
                                    EXPECT_THAT(device_->take_calls(), ElementsAre("notify 1"));
                                  })
                          .value();
  ASSERT_TRUE(doorbell.signal().has_value());
  serve();
  EXPECT_FALSE(doorbell.is_signalled());
}

TEST_F(VirtioMmioTest, NotificationsOfNothingAreIgnored) {
  driver_.notify(0);
  serve();
  ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
  driver_.notify(0);
  serve();
  EXPECT_THAT(device_->take_calls(), ElementsAre("reset"));
  bring_up();
  for (const std::uint32_t absent : {2u, 0x1'0000u, 0xffff'ffffu}) driver_.notify(absent);
  serve();
  EXPECT_THAT(device_->take_calls(), IsEmpty());
}

// Interrupts.

TEST_F(VirtioMmioTest, InterruptStaysUntilAcknowledged) {
  bring_up();
  device_->signals()->used_buffers(0);
  EXPECT_TRUE(wire_->is_high());
  EXPECT_EQ(driver_.read(kInterruptStatus), kInterruptUsedBuffer);
  device_->signals()->config_changed();
  EXPECT_EQ(driver_.read(kInterruptStatus), kInterruptUsedBuffer | kInterruptConfigChange);
  driver_.write(kInterruptAck, kInterruptUsedBuffer);
  EXPECT_TRUE(wire_->is_high());
  driver_.write(kInterruptAck, kInterruptConfigChange);
  EXPECT_FALSE(wire_->is_high());
  EXPECT_EQ(driver_.take_interrupts(), 0u);
}

// Between a driver's look and its acknowledgement a second reason may come. Linux takes the line as an edge, and an
// edge that is missing is missing for good.
TEST_F(VirtioMmioTest, AReasonThatIsNotAcknowledgedWithTheOthersIsAnotherEdge) {
  bring_up();
  device_->signals()->used_buffers(0);
  const std::uint32_t seen = driver_.read(kInterruptStatus);
  device_->signals()->config_changed();
  const int before = wire_->edges();
  driver_.write(kInterruptAck, seen);
  EXPECT_TRUE(wire_->is_high());
  EXPECT_EQ(wire_->edges(), before + 1);
  EXPECT_EQ(driver_.take_interrupts(), kInterruptConfigChange);
  EXPECT_FALSE(wire_->is_high());
}

TEST_F(VirtioMmioTest, BrokenQueueNeedsResetAndAnInterruptSaysSo) {
  bring_up();
  queues_[0].offer(99);
  EXPECT_FALSE(device_->queue(0)->pop().has_value());
  EXPECT_EQ(driver_.status(), 0x4fu);
  EXPECT_TRUE(wire_->is_high());
  EXPECT_EQ(driver_.take_interrupts(), kInterruptConfigChange);
  EXPECT_THAT(transport_->last_failure(), HasSubstr("queue 0: the request at descriptor 99"));

  bring_up();
  EXPECT_EQ(driver_.status(), 0x0fu);
}

// Configuration space.

TEST_F(VirtioMmioTest, ConfigurationOfAnyWidth) {
  EXPECT_EQ(driver_.config<std::uint8_t>(3), 0x13);
  EXPECT_EQ(driver_.config<std::uint16_t>(2), 0x1312);
  EXPECT_EQ(driver_.config<std::uint64_t>(0), 0x1716'1514'1312'1110u);
  EXPECT_EQ(driver_.config<std::uint32_t>(6), 0x1716u) << "beyond its end";
  EXPECT_EQ(driver_.config<std::uint32_t>(0xef0), 0u);
}

TEST_F(VirtioMmioTest, ConfigurationIsWrittenByADriverOnly) {
  driver_.set_config<std::uint16_t>(0, 0xaaaa);
  EXPECT_EQ(driver_.config<std::uint16_t>(0), 0x1110u);
  ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
  driver_.set_config<std::uint16_t>(0, 0xaaaa);
  EXPECT_EQ(driver_.config<std::uint16_t>(0), 0xaaaa);
}

TEST_F(VirtioMmioTest, ConfigurationHasAGeneration) {
  bring_up();
  const std::uint32_t before = driver_.read(kConfigGeneration);
  EXPECT_EQ(driver_.read(kConfigGeneration), before);
  device_->change_config(0x55);
  EXPECT_NE(driver_.read(kConfigGeneration), before);
  EXPECT_EQ(driver_.take_interrupts(), kInterruptConfigChange);
}

TEST_F(VirtioMmioTest, SharedMemoryRegions) {
  driver_.write(kShmSel, 3);
  EXPECT_EQ(driver_.read(kShmLenLow), 0x0000'1000u);
  EXPECT_EQ(driver_.read(kShmLenHigh), 1u);
  EXPECT_EQ(driver_.read(kShmBaseLow), 0x3456'0000u);
  EXPECT_EQ(driver_.read(kShmBaseHigh), 0x12u);
  for (const std::uint32_t absent : {0u, 4u, 0x103u, 0xffff'ffffu}) {
    driver_.write(kShmSel, absent);
    for (const std::uint64_t offset : {kShmLenLow, kShmLenHigh, kShmBaseLow, kShmBaseHigh})
      EXPECT_EQ(driver_.read(offset), 0xffff'ffffu);
  }
}

// Accesses that are none.

TEST_F(VirtioMmioTest, RegistersTakeAlignedWordsOnly) {
  ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
  for (std::uint64_t offset = 0; offset < kConfig; ++offset) {
    for (const std::size_t size : {1u, 2u, 4u, 8u}) {
      if (size == 4 && offset % 4 == 0) continue;
      std::vector<std::uint8_t> bytes(size, 0);
      transport_->mmio_read(MmioAddress(0), offset, bytes);
      EXPECT_THAT(bytes, Each(0xff)) << offset << " of " << size;
      transport_->mmio_write(MmioAddress(0), offset, std::vector<std::uint8_t>(size, 0));
    }
  }
  EXPECT_EQ(driver_.status(), 0x0bu);
}

TEST_F(VirtioMmioTest, RegistersThatAreNotThereReadZero) {
  for (const std::uint64_t offset : {0x018u, 0x028u, 0x048u, 0x054u, 0x0c4u, 0x0f8u}) {
    driver_.write(offset, 0xffff'ffff);
    EXPECT_EQ(driver_.read(offset), 0u);
  }
}

// Reset and removal.

TEST_F(VirtioMmioTest, ResetForgetsEverything) {
  bring_up(kFeatureVersion1 | FakeVirtioDevice::kFeatureA);
  device_->signals()->used_buffers(0);
  driver_.reset();
  EXPECT_EQ(driver_.status(), 0u);
  EXPECT_FALSE(wire_->is_high());
  EXPECT_EQ(driver_.read(kInterruptStatus), 0u);
  EXPECT_EQ(driver_.read(kQueueReady), 0u);
  EXPECT_EQ(device_->queue(0), nullptr);
  EXPECT_THAT(device_->take_calls(), ElementsAre("reset"));
  driver_.notify(0);
  serve();
  EXPECT_THAT(device_->take_calls(), IsEmpty());
}

TEST_F(VirtioMmioTest, RemovalResetsAndLetsTheLineGo) {
  bring_up();
  device_->signals()->used_buffers(0);
  transport_->released();
  EXPECT_FALSE(wire_->is_high());
  EXPECT_THAT(device_->take_calls(), ElementsAre("reset"));
}

TEST_F(VirtioMmioTest, DroppedWithANotificationOnItsWay) {
  bring_up();
  driver_.notify(0);
  transport_.reset();
  EXPECT_THAT(device_->take_calls(), ElementsAre("reset"));
  serve();
  EXPECT_THAT(device_->take_calls(), IsEmpty());
}

TEST_F(VirtioMmioTest, NeedsOneLine) {
  const auto other = VirtioMmio::create(device_, memory_, *loop_).value();
  const auto assigned = other->assign({.id = InstanceId(1), .resources = resources_, .lines = {}});
  ASSERT_FALSE(assigned.has_value());
  EXPECT_EQ(assigned.error().message(), "virtio-fake: virtio-mmio has one interrupt line, and was given 0");
}

}  // namespace
}  // namespace keel
