// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/doorbell_step.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake/bus.h"
#include "support/fake_doorbell_host.h"
#include "support/open_descriptors.h"
#include "keel/base/epoll_loop.h"
#include "keel/bus/locked.h"
#include "keel/device/device_manager.h"
#include "keel/device/plain_device.h"
#include "keel/resource/fault_injector.h"

namespace keel {
namespace {

using Took = testing::FakeDoorbellHost::Took;
using Bytes = std::array<std::uint8_t, 4>;

// Two queues behind one notify register, as virtio-mmio has them (virtio 1.2, 4.2.2: QueueNotify at 0x50).
class TwoQueues final : public fake::RecordingDevice, public DoorbellSource {
 public:
  std::vector<MmioDoorbell> mmio_doorbells(MmioRange range) const override {
    const MmioAddress notify(range.first().value() + offset);
    return {{.address = notify, .value = 0}, {.address = notify, .value = 1}};
  }
  std::uint64_t offset = 0x50;
};

class DoorbellSteps : public ::testing::Test {
 protected:
  static SystemAllocator<Mutex> spaces() {
    return SystemAllocator<Mutex>::create(
               {.pio = PioRange::constant(0, 0xffff), .mmio_low = MmioRange::constant(0xd000'0000, 0xdfff'ffff)})
        .value();
  }
  std::shared_ptr<PlainDevice> plain() const {
    return std::make_shared<PlainDevice>(PlainDevice::Parts{
        .type = "two-queues",
        .constraints = {PioConstraint{.size = 8}, MmioConstraint{.size = 0x1000}},
        .pio = device,
        .mmio = device,
    });
  }
  void serve_loop() { static_cast<void>(loop->serve(std::chrono::milliseconds(0))); }

  IoManager io;
  testing::FakeDoorbellHost host{io};
  std::unique_ptr<EpollLoop> loop = EpollLoop::create().value();
  DoorbellServer server{host, *loop, io};
  DoorbellStep step{server};
  DeviceManager devices{spaces(), io, {.steps = {&step}}};
  std::shared_ptr<TwoQueues> device = std::make_shared<TwoQueues>();
};

TEST_F(DoorbellSteps, AttachServesTheDevicesDoorbellsAndDetachEndsIt) {
  const std::size_t descriptors = testing::open_descriptors();
  auto handle = devices.attach(plain(), {.name = "net0"}).value();
  EXPECT_EQ(host.bound(), 2u);
  const MmioAddress notify(0xd000'0050);
  ASSERT_EQ(host.write(notify, Bytes{1, 0, 0, 0}), Took::kEvent);
  serve_loop();
  EXPECT_EQ(device->accesses, (std::vector<fake::Access>{{0xd000'0000, 0x50, {1, 0, 0, 0}, 4}}));
  ASSERT_TRUE(handle.detach().has_value());
  EXPECT_EQ(host.bound(), 0u);
  EXPECT_EQ(testing::open_descriptors(), descriptors);
  EXPECT_EQ(host.write(notify, Bytes{1, 0, 0, 0}), Took::kNobody);
}

TEST_F(DoorbellSteps, ADoorbellThatCannotBeBoundUndoesTheAttach) {
  const auto before = devices.spaces();
  for (int bind = 0; bind < 2; ++bind) {
    host.fail_bind(bind);
    const auto refused = devices.attach(plain(), {.name = "net0"});
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(refused.error().message().find("doorbells for mmio [0xd0000000, 0xd0000fff] failed"), std::string::npos)
        << refused.error().message();
    EXPECT_EQ(host.bound(), 0u);
    EXPECT_EQ(devices.spaces(), before);
  }
  EXPECT_TRUE(devices.attach(plain(), {.name = "net0"}).has_value());
}

TEST_F(DoorbellSteps, ADoorbellOutsideTheRangeIsRefused) {
  for (const std::uint64_t offset : {0xffdull, 0x1000ull, 0x2000'0000ull}) {
    device->offset = offset;
    const auto refused = devices.attach(plain(), {.name = "net0"});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), ErrorCode::kOutOfBounds);
  }
  EXPECT_EQ(host.bound(), 0u);
}

TEST_F(DoorbellSteps, DoorbellsMoveWithTheirRangeAndLoseNoRing) {
  const auto id = devices.attach(plain(), {.name = "net0"}).value().keep();
  const MmioRange old = MmioRange::constant(0xd000'0000, 0xd000'0fff);
  ASSERT_EQ(host.write(MmioAddress(0xd000'0050), Bytes{1, 0, 0, 0}), Took::kEvent);
  ASSERT_TRUE(devices.move_mmio(id, old, MmioAddress(0xd800'0000)).has_value());
  EXPECT_EQ(host.bound(), 2u);
  serve_loop();  // both may ring once more, since they moved
  const fake::Access ring{0xd800'0000, 0x50, {1, 0, 0, 0}, 4};
  EXPECT_NE(std::ranges::find(device->accesses, ring), device->accesses.end());
  EXPECT_EQ(host.write(MmioAddress(0xd000'0050), Bytes{1, 0, 0, 0}), Took::kNobody);
  EXPECT_EQ(host.write(MmioAddress(0xd800'0050), Bytes{0, 0, 0, 0}), Took::kEvent);
}

TEST_F(DoorbellSteps, AMoveThatFailsKeepsTheDoorbellsWhereTheyWere) {
  const auto id = devices.attach(plain(), {.name = "net0"}).value().keep();
  host.fail_bind(1);
  const MmioRange old = MmioRange::constant(0xd000'0000, 0xd000'0fff);
  EXPECT_FALSE(devices.move_mmio(id, old, MmioAddress(0xd800'0000)).has_value());
  EXPECT_EQ(host.bound(), 2u);
  ASSERT_EQ(host.write(MmioAddress(0xd000'0050), Bytes{1, 0, 0, 0}), Took::kEvent);
  serve_loop();
  EXPECT_EQ(device->accesses.back(), (fake::Access{0xd000'0000, 0x50, {1, 0, 0, 0}, 4}));
}

// The other ways to ask for one: a device that is entered by one thread at a time, and a Device for its faces.
class OneQueue final : public MutDeviceMmio, public MutDevicePio, public DoorbellSource {
 public:
  void mmio_read(MmioAddress, std::uint64_t, std::span<std::uint8_t>) override {}
  void mmio_write(MmioAddress, std::uint64_t offset, std::span<const std::uint8_t>) override { rung += offset; }
  void pio_read(PioAddress, std::uint16_t, std::span<std::uint8_t>) override {}
  void pio_write(PioAddress, std::uint16_t offset, std::span<const std::uint8_t>) override { rung += offset; }
  std::vector<MmioDoorbell> mmio_doorbells(MmioRange range) const override {
    return {{.address = *range.first().checked_add(0x50)}};
  }
  std::vector<PioDoorbell> pio_doorbells(PioRange range) const override {
    return {{.address = *range.first().checked_add(2), .size = 2, .match = DoorbellMatch::kAnyValue}};
  }
  EventLoop* doorbell_loop() const override { return loop; }
  std::uint64_t rung = 0;
  EventLoop* loop = nullptr;
};

TEST_F(DoorbellSteps, AsksALockedDeviceOnBothBuses) {
  const auto locked = std::make_shared<Locked<OneQueue>>();
  const auto handle = devices.attach(std::make_shared<PlainDevice>(PlainDevice::Parts{
                                         .type = "one-queue",
                                         .constraints = {PioConstraint{.size = 8}, MmioConstraint{.size = 0x1000}},
                                         .pio = locked,
                                         .mmio = locked}),
                                     {.name = "net0"});
  ASSERT_TRUE(handle.has_value());
  ASSERT_EQ(host.write(MmioAddress(0xd000'0050), Bytes{}), Took::kEvent);
  ASSERT_EQ(host.write(PioAddress(2), std::array<std::uint8_t, 2>{7, 7}), Took::kEvent);
  serve_loop();
  EXPECT_EQ(locked->with_lock([](OneQueue& queue) { return queue.rung; }), 0x52u);
  EXPECT_THAT(step.doorbells(), ::testing::ElementsAre(
                                    PioDoorbell{.address = PioAddress(2), .size = 2, .match = DoorbellMatch::kAnyValue},
                                    MmioDoorbell{.address = MmioAddress(0xd000'0050)}));
}

TEST_F(DoorbellSteps, ServesThemOnTheLoopThatTheDeviceNames) {
  const auto locked = std::make_shared<Locked<OneQueue>>();
  const auto own = EpollLoop::create().value();
  locked->with_lock([&](OneQueue& queue) { queue.loop = own.get(); });
  auto handle = devices
                    .attach(std::make_shared<PlainDevice>(PlainDevice::Parts{
                                .type = "one-queue",
                                .constraints = {PioConstraint{.size = 8}, MmioConstraint{.size = 0x1000}},
                                .pio = locked,
                                .mmio = locked}),
                            {.name = "net0"})
                    .value();
  ASSERT_EQ(host.write(MmioAddress(0xd000'0050), Bytes{}), Took::kEvent);
  ASSERT_EQ(host.write(PioAddress(2), std::array<std::uint8_t, 2>{7, 7}), Took::kEvent);
  const auto rung = [&] { return locked->with_lock([](OneQueue& queue) { return queue.rung; }); };
  serve_loop();
  EXPECT_EQ(rung(), 0u) << "the server's own loop has nothing to do with it";
  static_cast<void>(own->serve(std::chrono::milliseconds(0)));
  EXPECT_EQ(rung(), 0x52u);
  EXPECT_TRUE(handle.detach().has_value());
}

class DeviceWithDoorbell final : public Device, public DoorbellSource {
 public:
  explicit DeviceWithDoorbell(std::shared_ptr<fake::RecordingDevice> registers, std::size_t ranges = 1)
      : registers_(std::move(registers)), ranges_(ranges) {}
  std::string_view type() const noexcept override { return "whole"; }
  ResourceConstraints constraints() const override {
    return ResourceConstraints(ranges_, MmioConstraint{.size = 0x1000});
  }
  std::shared_ptr<DeviceMmio> mmio() override { return registers_; }
  std::vector<MmioDoorbell> mmio_doorbells(MmioRange range) const override { return {{.address = range.first()}}; }

 private:
  std::shared_ptr<fake::RecordingDevice> registers_;
  const std::size_t ranges_;
};

TEST_F(DoorbellSteps, RangesThatAreAlikeHaveDoorbellsOfTheirOwn) {
  const auto registers = std::make_shared<fake::RecordingDevice>();
  const auto whole = std::make_shared<DeviceWithDoorbell>(registers, 6);
  const InstanceId id = devices.attach(whole, {.name = "net0"}).value().keep();
  ASSERT_TRUE(
      devices.move_mmio(id, MmioRange::constant(0xd000'2000, 0xd000'2fff), MmioAddress(0xd800'0000)).has_value());
  serve_loop();
  registers->accesses.clear();
  for (const std::uint64_t base : {0xd000'0000ull, 0xd000'1000ull, 0xd800'0000ull, 0xd000'3000ull}) {
    ASSERT_EQ(host.write(MmioAddress(base), Bytes{}), Took::kEvent);
    serve_loop();
    ASSERT_EQ(registers->accesses.size(), 1u);
    EXPECT_EQ(registers->accesses[0].base, base);
    registers->accesses.clear();
  }
  ASSERT_TRUE(devices.detach(id).has_value());
}

TEST_F(DoorbellSteps, AsksTheDeviceWhereItsFaceSaysNothing) {
  const auto registers = std::make_shared<fake::RecordingDevice>();
  auto handle = devices.attach(std::make_shared<DeviceWithDoorbell>(registers), {.name = "net0"}).value();
  ASSERT_EQ(host.write(MmioAddress(0xd000'0000), Bytes{}), Took::kEvent);
  serve_loop();
  EXPECT_EQ(registers->accesses.size(), 1u);
  ASSERT_TRUE(handle.detach().has_value());
  EXPECT_THAT(step.doorbells(), ::testing::IsEmpty());
}

TEST_F(DoorbellSteps, ADeviceWithoutDoorbellsHasNone) {
  const auto quiet = std::make_shared<fake::RecordingDevice>();
  const auto part = std::make_shared<PlainDevice>(
      PlainDevice::Parts{.type = "quiet", .constraints = {MmioConstraint{.size = 0x1000}}, .mmio = quiet});
  EXPECT_TRUE(devices.attach(part, {.name = "rng0"}).has_value());
  EXPECT_EQ(host.bound(), 0u);
}

}  // namespace
}  // namespace keel
