// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// A notification is an I/O handler like any other, whichever way it comes: devices are managed from inside it.

#include <array>
#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include <gtest/gtest.h>

#include "fake/machine.h"
#include "fake/threads.h"
#include "support/virtio_mmio_driver.h"
#include "keel/base/event_thread.h"
#include "keel/base/mutex.h"
#include "keel/bus/handler_scope.h"
#include "keel/virtio/mmio_device_manager.h"
#include "keel/virtio/virtio_mmio.h"

namespace keel {
namespace {

// Does in its first notification, under its lock as devices do, what the test says.
class ObedientDevice final : public VirtioDevice {
 public:
  explicit ObedientDevice(std::function<void()> order) : order_(std::move(order)) {}

  [[nodiscard]] virtio::DeviceId device_id() const noexcept override { return virtio::DeviceId::kEntropy; }
  [[nodiscard]] std::string_view type() const noexcept override { return "virtio-obedient"; }
  [[nodiscard]] std::span<const std::uint16_t> queue_sizes() const noexcept override { return kSizes; }
  Result<void> activate(VirtioActivation activation) override {
    const Lock lock(mutex_);
    queue_ = std::move(activation.queues[0]);
    return {};
  }
  void reset() noexcept override {
    const Lock lock(mutex_);
    queue_.reset();
  }
  void notify(std::uint16_t /*queue*/) override {
    const Lock lock(mutex_);
    if (!queue_) return;
    if (const auto order = std::exchange(order_, nullptr)) order();
    // Whatever was ordered, the device is there until this returns, and has what it had.
    EXPECT_NE(queue_, nullptr);
  }

 private:
  static constexpr std::array<std::uint16_t, 1> kSizes = {4};

  Mutex mutex_;
  std::function<void()> order_ KEEL_GUARDED_BY(mutex_);
  std::unique_ptr<VirtQueue> queue_ KEEL_GUARDED_BY(mutex_);
};

// A device's registers by way of the bus, which does not let go of a device while an access is inside it.
class BusWindow final : public DeviceMmio {
 public:
  BusWindow(const IoManager& io, MmioAddress at) : io_(io), at_(at) {}
  void mmio_read(MmioAddress /*base*/, std::uint64_t offset, std::span<std::uint8_t> data) override {
    std::ignore = io_.mmio_read(*at_.checked_add(offset), data);
  }
  void mmio_write(MmioAddress /*base*/, std::uint64_t offset, std::span<const std::uint8_t> data) override {
    std::ignore = io_.mmio_write(*at_.checked_add(offset), data);
  }

 private:
  const IoManager& io_;
  const MmioAddress at_;
};

// A machine of two devices on two loops, and the guest that has their drivers.
class NotifyReentryTest : public ::testing::Test {
 protected:
  struct Attached {
    std::weak_ptr<VirtioMmio> device;
    MmioAddress window;
  };

  Attached attach(const std::string& id, EventThread& events, std::function<void()> order) {
    const auto device =
        VirtioMmio::create(std::make_shared<ObedientDevice>(std::move(order)), memory_, events.loop()).value();
    return {.device = device, .window = manager_.add(id, device).value().window.first()};
  }
  // To DRIVER_OK, upon which the transport lets the device look at its queue.
  void start(const Attached& attached) {
    BusWindow window(machine_.io, attached.window);
    VirtioMmioDriver driver(window);
    const DriverQueue queue(arena_, 4);
    EXPECT_TRUE(driver.negotiate(virtio::kFeatureVersion1));
    EXPECT_TRUE(driver.set_up(queue));
    driver.start();
  }
  static void wait_until_gone(const Attached& attached) {
    while (!attached.device.expired()) std::this_thread::yield();
  }

  const fake::Watchdog watchdog_{"management from a notification"};
  const GuestMemory memory_ = GuestMemory::create(std::array{GuestRange::constant(0, 0xf'ffff)}).value();
  GuestArena arena_{memory_, GuestRange::constant(0x1000, 0xf'ffff)};
  const std::unique_ptr<EventThread> first_events_ = EventThread::start("first").value();
  const std::unique_ptr<EventThread> second_events_ = EventThread::start("second").value();
  fake::Machine machine_;
  MmioDeviceManager manager_ =
      MmioDeviceManager::create(machine_.devices, {.windows = MmioRange::constant(0xd000'0000, 0xd000'ffff),
                                                   .irqs = IdRange<Gsi>::constant(5, 7)})
          .value();
};

TEST_F(NotifyReentryTest, ADeviceDetachesItself) {
  std::optional<Result<Detachment>> gone;
  std::atomic<bool> ordered = false;
  const Attached device = attach("a", *first_events_, [&] {
    EXPECT_TRUE(in_io_handler());
    gone = manager_.remove("virtio-obedient", "a");
    EXPECT_TRUE(gone->has_value() && !(*gone)->done()) << "it was released inside its own handler";
    ordered = true;
  });
  start(device);
  while (!ordered) std::this_thread::yield();
  wait_until_gone(device);
  EXPECT_TRUE(manager_.infos().empty());
}

TEST_F(NotifyReentryTest, TwoDevicesOnTwoLoopsDetachEachOther) {
  std::latch both_inside(2);
  const auto detach = [&](const char* other) {
    return [this, &both_inside, other] {
      both_inside.arrive_and_wait();
      EXPECT_TRUE(manager_.remove("virtio-obedient", other).has_value());
    };
  };
  const Attached first = attach("a", *first_events_, detach("b"));
  const Attached second = attach("b", *second_events_, detach("a"));
  start(first);
  start(second);
  wait_until_gone(first);
  wait_until_gone(second);
  EXPECT_TRUE(manager_.infos().empty());
}

}  // namespace
}  // namespace keel
