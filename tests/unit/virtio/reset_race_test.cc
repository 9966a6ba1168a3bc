// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// I/O against resets and removal, with every thread that a VMM has: vCPUs, the event loop, the host's asynchronous I/O.
// Under ThreadSanitizer a device that touches guest memory after its reset is found even where it writes the same.

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "fake/machine.h"
#include "support/late_virtio_device.h"
#include "support/virtio_mmio_driver.h"
#include "keel/base/event_thread.h"
#include "keel/devices/virtio_rng.h"
#include "keel/virtio/mmio_device_manager.h"
#include "keel/virtio/virtio_mmio.h"

namespace keel {
namespace {

using namespace virtio_mmio;

constexpr int kLives = 60;
constexpr std::uint32_t kBufferSize = 64;

// Fills with 0x5a at once.
class PlainEntropy final : public EntropySource {
 public:
  std::size_t fill(std::span<std::uint8_t> bytes) override {
    std::ranges::fill(bytes, std::uint8_t{0x5a});
    return bytes.size();
  }
};

struct Host {
  const GuestMemory memory = GuestMemory::create(std::vector<GuestRange>{GuestRange::constant(0, 0xfff'ffff)}).value();
  const std::unique_ptr<EventThread> events = EventThread::start("test").value();
  const SystemClock clock;
  PlainEntropy entropy;

  std::shared_ptr<VirtioDevice> device(std::string_view name) {
    if (name == "late") return std::make_shared<LateVirtioDevice>();
    return VirtioRng::create(entropy, clock, events->loop(), {.bytes_per_second = 1 << 30, .burst = 1 << 30}).value();
  }
};

// The registers of a device as the guest reaches them: through the bus, where the device may be gone.
class OnTheBus final : public DeviceMmio {
 public:
  OnTheBus(const IoManager& io, MmioAddress window) : io_(io), window_(window) {}
  void mmio_read(MmioAddress /*base*/, std::uint64_t offset, std::span<std::uint8_t> data) override {
    (void)io_.mmio_read(*window_.checked_add(offset), data);
  }
  void mmio_write(MmioAddress /*base*/, std::uint64_t offset, std::span<const std::uint8_t> data) override {
    (void)io_.mmio_write(*window_.checked_add(offset), data);
  }

 private:
  const IoManager& io_;
  const MmioAddress window_;
};

// One life of a driver: sets the device up, sends requests, takes some back, leaves. Returns the buffers.
std::vector<GuestAddress> live(VirtioMmioDriver& driver, GuestArena& arena, std::uint64_t features, int requests) {
  std::vector<GuestAddress> buffers;
  if (driver.read(kMagicValue) != kMagic || !driver.negotiate(features)) return buffers;  // the device is gone
  DriverQueue queue(arena, 16);
  if (!driver.set_up(queue)) return buffers;
  driver.start();
  for (int sent = 0; sent < requests; ++sent) {
    while (queue.free_descriptors() == 0 && queue.take_used()) {
    }
    if (queue.free_descriptors() != 0) {
      buffers.push_back(queue.request().in(kBufferSize).send().in[0].address);
      driver.notify(0);
    }
    (void)queue.take_used();
    (void)driver.take_interrupts();
  }
  return buffers;
}

class ResetRaceTest : public ::testing::TestWithParam<std::string> {
 protected:
  Host host_;
};

TEST_P(ResetRaceTest, NothingOfAnOldLifeTouchesMemory) {
  const auto transport = VirtioMmio::create(host_.device(GetParam()), host_.memory, host_.events->loop()).value();
  VirtioMmioDriver driver(*transport);
  std::atomic<bool> done = false;
  // Another vCPU reads and writes what it likes meanwhile, but for the status.
  std::thread other([&] {
    VirtioMmioDriver second(*transport);
    while (!done) {
      second.notify(0);
      (void)second.read(kStatus);
      (void)second.read(kInterruptStatus);
      second.write(kInterruptAck, 3);
      (void)second.config<std::uint32_t>(0);
    }
  });
  for (int life = 0; life < kLives; ++life) {
    GuestArena arena(host_.memory, GuestRange::constant(0x1000, 0xf'ffff));
    const std::uint64_t features =
        virtio::kFeatureVersion1 | (life % 2 == 0 ? virtio::kFeatureEventIdx : 0) | virtio::kFeatureIndirectDesc;
    const auto buffers = live(driver, arena, features, life);
    driver.reset();
    EXPECT_EQ(driver.status(), 0u);
    // The memory is the guest's again: it writes there as it likes, and finds what it wrote.
    const std::vector<std::uint8_t> own(kBufferSize, 0xc3);
    for (const GuestAddress at : buffers) ASSERT_TRUE(host_.memory.write(at, own).has_value());
    std::this_thread::yield();
    for (const GuestAddress at : buffers) ASSERT_EQ(arena.bytes(at, kBufferSize), own);
  }
  done = true;
  other.join();
}

TEST_P(ResetRaceTest, RemovalTakesADeviceOutOfTraffic) {
  fake::Machine machine;
  auto manager = MmioDeviceManager::create(machine.devices, {.windows = MmioRange::constant(0xd000'0000, 0xd000'0fff),
                                                             .irqs = IdRange<Gsi>::constant(5, 5)})
                     .value();
  OnTheBus bus(machine.io, MmioAddress(0xd000'0000));
  std::atomic<bool> done = false;
  std::atomic<std::uint64_t> lives = 0;
  std::thread guest([&] {
    VirtioMmioDriver driver(bus);
    // A device that is pulled out from under its driver may touch its memory until the removal is done, and the driver
    // does not know when that is: it never uses memory twice.
    GuestArena arena(host_.memory, GuestRange::constant(0x1000, 0xfff'ffff));
    while (!done) {
      if (!live(driver, arena, virtio::kFeatureVersion1, 30).empty()) ++lives;
    }
  });
  for (int life = 0; life < kLives; ++life) {
    auto transport = VirtioMmio::create(host_.device(GetParam()), host_.memory, host_.events->loop()).value();
    const std::weak_ptr<VirtioMmio> watch = transport;
    const std::string type(transport->type());
    ASSERT_TRUE(manager.add("a", std::move(transport)).has_value());
    const std::uint64_t before = lives;
    while (lives == before) std::this_thread::yield();
    const auto gone = manager.remove(type, "a");
    ASSERT_TRUE(gone.has_value());
    EXPECT_TRUE(gone->done());
    EXPECT_TRUE(watch.expired());
  }
  done = true;
  guest.join();
}

INSTANTIATE_TEST_SUITE_P(Devices, ResetRaceTest, ::testing::Values("rng", "late"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace keel
