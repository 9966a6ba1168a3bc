// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/virtio_rng.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include <gmock/gmock.h>

#include "support/fake_clock.h"
#include "support/fake_driver_signals.h"
#include "support/virtio_driver.h"
#include "keel/base/epoll_loop.h"
#include "keel/bus/handler_scope.h"

namespace keel {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Gives 0xa5, as much as the test lets it.
class FakeEntropy final : public EntropySource {
 public:
  std::size_t fill(std::span<std::uint8_t> bytes) override {
    asked_in_handler = in_io_handler();
    if (in_fill) in_fill();
    const std::size_t count = std::min(bytes.size(), left);
    left -= count;
    std::ranges::fill(bytes.first(count), std::uint8_t{0xa5});
    return count;
  }
  std::size_t left = SIZE_MAX;
  bool asked_in_handler = false;  // the last time: inside an I/O handler
  std::function<void()> in_fill;
};

class VirtioRngTest : public ::testing::Test {
 protected:
  static constexpr EntropyLimit kLimit = {.bytes_per_second = 1000, .burst = 100};

  VirtioRngTest() { activate(); }
  ~VirtioRngTest() override { device_->reset(); }

  void activate() {
    VirtioActivation activation{.features = virtio::kFeatureVersion1, .queues = {}, .signals = &signals_};
    activation.queues.push_back(VirtQueue::create(memory_, driver_->layout(), activation.features, signals_).value());
    ASSERT_TRUE(device_->activate(std::move(activation)).has_value());
  }
  // The length of the next request that came back, or nothing.
  std::optional<std::uint32_t> taken() {
    const auto used = driver_->take_used();
    return used ? std::optional(used->length) : std::nullopt;
  }

  const std::vector<GuestRange> ram_ = {GuestRange::constant(0, 0xf'ffff)};
  const GuestMemory memory_ = GuestMemory::create(ram_).value();
  GuestArena arena_{memory_, GuestRange::constant(0x1000, 0xf'ffff)};
  std::unique_ptr<DriverQueue> driver_ = std::make_unique<DriverQueue>(arena_, 8);
  FakeDriverSignals signals_;
  FakeEntropy entropy_;
  testing::FakeClock clock_;
  const std::unique_ptr<EpollLoop> loop_ = EpollLoop::create().value();
  const std::shared_ptr<VirtioRng> device_ = VirtioRng::create(entropy_, clock_, *loop_, kLimit).value();
};

TEST_F(VirtioRngTest, IsAnEntropyDevice) {
  EXPECT_EQ(device_->device_id(), virtio::DeviceId::kEntropy);
  EXPECT_EQ(device_->type(), "virtio-rng");
  EXPECT_EQ(device_->features(), 0u);
  EXPECT_THAT(device_->queue_sizes(), SizeIs(1));
}

TEST_F(VirtioRngTest, FillsWhatTheDriverGives) {
  const SentRequest sent = driver_->request().in(16).in(4).send();
  device_->notify(0);
  EXPECT_EQ(taken(), 20u);
  EXPECT_THAT(driver_->written(sent), Each(0xa5));
  EXPECT_EQ(signals_.interrupts(), 1u);
}

TEST_F(VirtioRngTest, MoreThanTheLimitWaits) {
  driver_->request().in(60).send();
  driver_->request().in(60).send();
  driver_->request().in(60).send();
  device_->notify(0);
  EXPECT_EQ(taken(), 60u);
  EXPECT_EQ(taken(), 40u) << "what was left of the burst; less than asked for is allowed";
  EXPECT_EQ(taken(), std::nullopt);
  device_->notify(0);
  EXPECT_EQ(taken(), std::nullopt) << "asking again helps nobody";

  clock_.advance(30ms);
  // The timer is the host's own, so it rings whatever the test's clock says.
  while (taken() == std::nullopt) ASSERT_EQ(loop_->serve(10s).value(), 1u);
  EXPECT_TRUE(entropy_.asked_in_handler);
}

TEST_F(VirtioRngTest, AllowanceGrowsWithTimeUpToTheBurst) {
  driver_->request().in(200).send();
  device_->notify(0);
  EXPECT_EQ(taken(), 100u);
  driver_->request().in(200).send();
  clock_.advance(30ms);
  device_->notify(0);
  EXPECT_EQ(taken(), 30u);
  driver_->request().in(200).send();
  clock_.advance(std::chrono::hours(1000));
  device_->notify(0);
  EXPECT_EQ(taken(), 100u);
}

TEST_F(VirtioRngTest, TimeShorterThanAByteIsNotLost) {
  driver_->request().in(200).send();
  device_->notify(0);
  EXPECT_EQ(taken(), 100u);
  driver_->request().in(1).send();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(taken(), std::nullopt);
    clock_.advance(100us);
    device_->notify(0);
  }
  EXPECT_EQ(taken(), 1u);
}

TEST_F(VirtioRngTest, RequestWithNothingToFillComesBackEmpty) {
  driver_->request().out({1, 2, 3}).send();
  device_->notify(0);
  EXPECT_EQ(taken(), 0u);
}

// A driver on another vCPU refills the queue as fast as the device empties it.
TEST_F(VirtioRngTest, AQueueThatDoesNotEndLeavesTheLoopToOthers) {
  const SentRequest sent = driver_->request().in(1).send();
  entropy_.in_fill = [&] { driver_->offer(sent.head); };
  device_->notify(0);
  EXPECT_EQ(driver_->used_idx(), 8) << "as many as the queue has entries";
  EXPECT_THAT(signals_.take_again(), ElementsAre(0));
  EXPECT_EQ(signals_.interrupts(), 1u) << "for what the guest has meanwhile";
  entropy_.in_fill = nullptr;
  device_->notify(0);
  EXPECT_EQ(driver_->used_idx(), 9);
  EXPECT_THAT(signals_.take_again(), IsEmpty());
}

TEST_F(VirtioRngTest, DrySourceGivesWhatItHas) {
  entropy_.left = 3;
  const SentRequest sent = driver_->request().in(2).in(4).send();
  device_->notify(0);
  EXPECT_EQ(taken(), 3u);
  EXPECT_EQ(driver_->written(sent), (std::vector<std::uint8_t>{0xa5, 0xa5, 0xa5, 0, 0, 0}));
}

TEST_F(VirtioRngTest, NothingIsWrittenAfterReset) {
  const SentRequest first = driver_->request().in(100).send();
  const SentRequest second = driver_->request().in(100).send();
  device_->notify(0);
  device_->reset();
  clock_.advance(1s);
  device_->notify(0);
  ASSERT_TRUE(loop_->serve(30ms).has_value());
  EXPECT_THAT(driver_->written(first), Each(0xa5));
  EXPECT_THAT(driver_->written(second), Each(0));

  driver_ = std::make_unique<DriverQueue>(arena_, 8);
  activate();
  driver_->request().in(100).send();
  device_->notify(0);
  EXPECT_EQ(taken(), 100u);
}

TEST_F(VirtioRngTest, BrokenQueueNeedsResetAndNothingElse) {
  driver_->offer(77);
  device_->notify(0);
  EXPECT_THAT(signals_.reasons(), SizeIs(1));
  device_->notify(0);
  EXPECT_THAT(signals_.reasons(), SizeIs(1));
}

TEST(VirtioRngLimitTest, LimitsOfNothing) {
  FakeEntropy entropy;
  const testing::FakeClock clock;
  const auto loop = EpollLoop::create().value();
  EXPECT_EQ(VirtioRng::create(entropy, clock, *loop, {.bytes_per_second = 0}).error().message(),
            "an entropy limit of 0 bytes a second, 65536 at once: both are at least 1");
  EXPECT_FALSE(VirtioRng::create(entropy, clock, *loop, {.burst = 0}).has_value());
}

}  // namespace
}  // namespace keel
