// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/doorbell_server.h"

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "fake/bus.h"
#include "support/fake_doorbell_host.h"
#include "support/open_descriptors.h"
#include "keel/base/epoll_loop.h"
#include "keel/base/event_thread.h"

namespace keel {
namespace {

using testing::FakeDoorbellHost;
using Took = FakeDoorbellHost::Took;
using Bytes = std::array<std::uint8_t, 4>;

constexpr auto kWindow = MmioRange::constant(0xd000'0000, 0xd000'0fff);
constexpr auto kElsewhere = MmioRange::constant(0xe000'0000, 0xe000'0fff);
constexpr MmioAddress kNotify{0xd000'0050};
constexpr MmioDoorbell kQueue1{.address = kNotify, .value = 1};

class Doorbells : public ::testing::Test {
 protected:
  void serve_loop() { static_cast<void>(loop->serve(std::chrono::milliseconds(0))); }

  IoManager io;
  FakeDoorbellHost host{io};
  std::unique_ptr<EpollLoop> loop = EpollLoop::create().value();
  DoorbellServer server{host, *loop, io};
  std::shared_ptr<fake::RecordingDevice> device = std::make_shared<fake::RecordingDevice>();
};

TEST_F(Doorbells, ARingAndAnExitEndInTheSameMethodWithTheSameBytes) {
  ASSERT_TRUE(io.register_mmio(kWindow, device, "net0").has_value());
  ASSERT_EQ(host.write(kNotify, Bytes{1, 0, 0, 0}), Took::kDevice);
  const auto bell = server.serve(kQueue1, device).value();
  ASSERT_EQ(host.write(kNotify, Bytes{1, 0, 0, 0}), Took::kEvent);
  EXPECT_EQ(device->accesses.size(), 1u);
  serve_loop();
  ASSERT_EQ(device->accesses.size(), 2u);
  EXPECT_EQ(device->accesses[0], device->accesses[1]);
  EXPECT_EQ(device->accesses[1], (fake::Access{kWindow.first().value(), 0x50, {1, 0, 0, 0}, 4}));
  EXPECT_EQ(host.write(kNotify, Bytes{2, 0, 0, 0}), Took::kDevice);  // another queue
  serve_loop();
  EXPECT_EQ(device->accesses.size(), 3u);
}

TEST_F(Doorbells, PortsHaveThemToo) {
  ASSERT_TRUE(io.register_pio(PioRange::constant(0x100, 0x11f), device, "net0").has_value());
  const auto bell =
      server
          .serve(PioDoorbell{.address = PioAddress(0x110), .value = 7, .size = 2, .match = DoorbellMatch::kAnyValue},
                 device)
          .value();
  const std::array<std::uint8_t, 2> bytes = {0x34, 0x12};
  ASSERT_EQ(host.write(PioAddress(0x110), bytes), Took::kEvent);
  serve_loop();
  EXPECT_EQ(device->accesses, (std::vector<fake::Access>{{0x100, 0x10, {7, 0}, 2}}));
}

TEST_F(Doorbells, RingsBeforeAnyoneLooksArriveAsOne) {
  ASSERT_TRUE(io.register_mmio(kWindow, device, "net0").has_value());
  const auto bell = server.serve(kQueue1, device).value();
  for (int i = 0; i < 5; ++i) ASSERT_EQ(host.write(kNotify, Bytes{1, 0, 0, 0}), Took::kEvent);
  serve_loop();
  serve_loop();
  EXPECT_EQ(device->accesses.size(), 1u);
}

TEST_F(Doorbells, OnceDroppedWritesExitAgainAndNothingIsLeft) {
  ASSERT_TRUE(io.register_mmio(kWindow, device, "net0").has_value());
  const std::size_t descriptors = testing::open_descriptors();
  auto bell = server.serve(kQueue1, device).value();
  ASSERT_EQ(host.write(kNotify, Bytes{1, 0, 0, 0}), Took::kEvent);
  bell.reset();
  EXPECT_EQ(host.bound(), 0u);
  EXPECT_EQ(testing::open_descriptors(), descriptors);
  serve_loop();
  EXPECT_TRUE(device->accesses.empty());
  EXPECT_EQ(host.write(kNotify, Bytes{1, 0, 0, 0}), Took::kDevice);
}

TEST_F(Doorbells, WhatTheHypervisorRefusesLeavesNothing) {
  const std::size_t descriptors = testing::open_descriptors();
  host.fail_bind(0);
  EXPECT_EQ(server.serve(kQueue1, device).error().code(), ErrorCode::kIo);
  EXPECT_EQ(server.serve(MmioDoorbell{.address = kNotify, .size = 3}, device).error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(testing::open_descriptors(), descriptors);
  const auto bell = server.serve(kQueue1, device).value();
  EXPECT_EQ(server.serve(kQueue1, device).error().code(), ErrorCode::kAlreadyExists);
}

// A device that is removed goes when the removal is done, and not when a ring of the loop's has let go of it.
TEST_F(Doorbells, ARingIsNoOwnerOfItsDevice) {
  std::weak_ptr<fake::HandlerDevice> watch;
  long owners = 0;
  const auto counted = std::make_shared<fake::HandlerDevice>([&] { owners = watch.use_count(); });
  watch = counted;
  ASSERT_TRUE(io.register_mmio(kWindow, counted, "net0").has_value());
  const auto bell = server.serve(kQueue1, counted).value();
  const long before = counted.use_count();
  ASSERT_EQ(host.write(kNotify, Bytes{1, 0, 0, 0}), Took::kEvent);
  serve_loop();
  EXPECT_EQ(owners, before);
}

TEST_F(Doorbells, NoOtherDeviceGetsTheRingWhoeverIsThereByThen) {
  ASSERT_TRUE(io.register_mmio(kWindow, device, "net0").has_value());
  const auto bell = server.serve(kQueue1, device).value();
  ASSERT_EQ(host.write(kNotify, Bytes{1, 0, 0, 0}), Took::kEvent);
  const auto other = std::make_shared<fake::RecordingDevice>();
  ASSERT_TRUE(io.deregister_mmio(kNotify).has_value());
  ASSERT_TRUE(io.register_mmio(kWindow, other, "blk0").has_value());
  serve_loop();
  EXPECT_TRUE(device->accesses.empty());
  EXPECT_TRUE(other->accesses.empty());
}

TEST_F(Doorbells, ARingOfADeviceThatIsGoneGoesNowhere) {
  const auto bell = server.serve(kQueue1, device).value();
  ASSERT_EQ(host.write(kNotify, Bytes{1, 0, 0, 0}), Took::kEvent);
  device.reset();
  serve_loop();
}

TEST_F(Doorbells, ADeviceMayDropItsDoorbellFromInsideTheRing) {
  ServedDoorbell<MmioAddress> bell;
  int rings = 0;
  const auto handler = std::make_shared<fake::HandlerDevice>([&] {
    ++rings;
    bell.reset();
  });
  ASSERT_TRUE(io.register_mmio(kWindow, handler, "net0").has_value());
  bell = server.serve(kQueue1, handler).value();
  ASSERT_EQ(host.write(kNotify, Bytes{1, 0, 0, 0}), Took::kEvent);
  serve_loop();
  EXPECT_EQ(rings, 1);
  EXPECT_EQ(host.bound(), 0u);
}

TEST_F(Doorbells, MovingLosesNoRing) {
  ASSERT_TRUE(io.register_mmio(kWindow, device, "net0").has_value());
  auto bell = server.serve(kQueue1, device).value();
  const MmioAddress notify_there(0xe000'0050);
  auto moved = bell.also_at(notify_there).value();
  EXPECT_EQ(moved.doorbell().address, notify_there);
  // Rung at the new place before the bus knows it: the device is still at the old one.
  ASSERT_EQ(host.write(notify_there, Bytes{1, 0, 0, 0}), Took::kEvent);
  serve_loop();
  EXPECT_EQ(device->accesses.size(), 1u);
  // Rung at the old place, served when the device has moved.
  ASSERT_EQ(host.write(kNotify, Bytes{1, 0, 0, 0}), Took::kEvent);
  ASSERT_TRUE(io.deregister_mmio(kNotify).has_value());
  ASSERT_TRUE(io.register_mmio(kElsewhere, device, "net0").has_value());
  serve_loop();
  ASSERT_EQ(device->accesses.size(), 2u);
  EXPECT_EQ(device->accesses[1].base, kElsewhere.first().value());
  // Dispatched to the old place in the very moment of the move: nobody can tell, so dropping it rings once more.
  bell.reset();
  serve_loop();
  EXPECT_EQ(device->accesses.size(), 3u);
  EXPECT_EQ(host.bound(), 1u);
  moved.reset();
  EXPECT_EQ(host.bound(), 0u);
}

TEST_F(Doorbells, AMoveThatFailsLeavesTheOldPlace) {
  ASSERT_TRUE(io.register_mmio(kWindow, device, "net0").has_value());
  const auto bell = server.serve(kQueue1, device).value();
  host.fail_bind(0);
  EXPECT_FALSE(bell.also_at(MmioAddress(0xe000'0050)).has_value());
  ASSERT_EQ(host.write(kNotify, Bytes{1, 0, 0, 0}), Took::kEvent);
  serve_loop();
  EXPECT_EQ(device->accesses.size(), 1u);
}

TEST_F(Doorbells, NoRingIsLostWhileADeviceMovesUnderTraffic) {
  // The device sees the guest's counter at every ring; the last ring must find the last value, wherever the device is.
  std::atomic<int> guest_counter = 0;
  std::atomic<int> seen = 0;
  const auto handler = std::make_shared<fake::HandlerDevice>([&] { seen = guest_counter.load(); });
  const auto thread = EventThread::start("bells").value();
  const DoorbellServer threaded(host, thread->loop(), io);
  ASSERT_TRUE(io.register_mmio(kWindow, handler, "net0").has_value());
  auto bell = threaded.serve(kQueue1, handler).value();
  std::atomic<std::uint64_t> place = kNotify.value();
  std::atomic<bool> done = false;
  std::thread guest([&] {
    for (int i = 1; i <= 2000; ++i) {
      guest_counter = i;
      // As a driver that learns of the new address when it looks: an old one reaches the device too, or nobody.
      while (host.write(MmioAddress(place.load()), Bytes{1, 0, 0, 0}) == Took::kNobody) std::this_thread::yield();
    }
    done = true;
  });
  for (int i = 0; !done; ++i) {
    const MmioRange from = i % 2 == 0 ? kWindow : kElsewhere;
    const MmioRange to = i % 2 == 0 ? kElsewhere : kWindow;
    auto moved = bell.also_at(MmioAddress(to.first().value() + 0x50)).value();
    IoTransaction transaction = io.begin();
    ASSERT_TRUE(transaction.move_mmio(from.first(), to.first()).has_value());
    ASSERT_TRUE(transaction.commit().has_value());
    place = to.first().value() + 0x50;
    bell = std::move(moved);
  }
  guest.join();
  for (int i = 0; seen != 2000 && i < 2000; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(seen, 2000);
  bell.reset();
}

}  // namespace
}  // namespace keel
