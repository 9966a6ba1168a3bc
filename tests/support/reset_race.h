// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "fake/doorbell_machine.h"
#include "support/virtio_mmio_driver.h"
#include "keel/base/event_thread.h"
#include "keel/virtio/mmio_device_manager.h"
#include "keel/virtio/virtio_mmio.h"

// I/O against resets and removal, with every thread that a VMM has: vCPUs, the event loop, the host's asynchronous I/O.
// Under ThreadSanitizer a device that touches guest memory after its reset is found even where it writes the same.
namespace keel::testing {

// A device and what its driver asks of it.
struct RacingDevice {
  std::string name;
  std::uint64_t features = 0;  // that its driver takes besides those of every device
  std::uint16_t queues = 1;
  std::function<std::shared_ptr<VirtioDevice>(EventLoop& loop)> make;
  // Puts the `number`th request of a life together, of up to 4 buffers, for that queue.
  std::function<void(DriverRequest& request, std::uint16_t queue, unsigned number)> ask;

  friend void PrintTo(const RacingDevice& device, std::ostream* out) { *out << device.name; }
};

// The machine around it.
struct RaceHost {
  const GuestMemory memory = GuestMemory::create(std::vector<GuestRange>{GuestRange::constant(0, 0xfff'ffff)}).value();
  const std::unique_ptr<EventThread> events = EventThread::start("test").value();

  [[nodiscard]] std::shared_ptr<VirtioMmio> plug_in(const RacingDevice& device) const {
    return VirtioMmio::create(device.make(events->loop()), memory, events->loop()).value();
  }
};

inline constexpr int kRaceLives = 60;

// One life of a driver: sets the device up, sends requests, takes some back, leaves. Returns the buffers.
inline std::vector<DriverBuffer> live(VirtioMmioDriver& driver, GuestArena& arena, const RacingDevice& device,
                                      std::uint64_t features, int rounds) {
  constexpr std::uint32_t kLargestQueue = 16;
  std::vector<DriverBuffer> buffers;
  if (driver.read(virtio_mmio::kMagicValue) != virtio_mmio::kMagic) return buffers;  // the device is gone
  if (!driver.negotiate(features | device.features)) return buffers;
  std::vector<std::unique_ptr<DriverQueue>> queues;
  for (std::uint16_t i = 0; i < device.queues; ++i) {
    driver.write(virtio_mmio::kQueueSel, i);
    const auto size = std::min(kLargestQueue, driver.read(virtio_mmio::kQueueSizeMax));
    if (size == 0) return buffers;
    queues.push_back(std::make_unique<DriverQueue>(arena, static_cast<std::uint16_t>(size), i));
    if (!driver.set_up(*queues.back())) return buffers;
  }
  driver.start();
  unsigned number = 0;
  for (int round = 0; round < rounds; ++round) {
    for (std::uint16_t i = 0; i < device.queues; ++i) {
      DriverQueue& queue = *queues[i];
      while (queue.free_descriptors() < 4 && queue.take_used()) {
      }
      if (queue.free_descriptors() >= 4) {
        DriverRequest request = queue.request();
        device.ask(request, i, number++);
        const SentRequest sent = request.send();
        buffers.insert(buffers.end(), sent.in.begin(), sent.in.end());
        buffers.insert(buffers.end(), sent.out.begin(), sent.out.end());
        driver.notify(i);
      }
      static_cast<void>(queue.take_used());
    }
    static_cast<void>(driver.take_interrupts());
  }
  return buffers;
}

// After a reset the memory is the guest's again.
inline void nothing_of_an_old_life_touches_memory(const RacingDevice& device) {
  const RaceHost host;
  const auto transport = host.plug_in(device);
  VirtioMmioDriver driver(*transport);
  std::atomic<bool> done = false;
  // Another vCPU reads and writes what it likes meanwhile, but for the status.
  std::thread other([&] {
    VirtioMmioDriver second(*transport);
    while (!done) {
      for (std::uint16_t queue = 0; queue < device.queues; ++queue) second.notify(queue);
      static_cast<void>(second.read(virtio_mmio::kStatus));
      static_cast<void>(second.read(virtio_mmio::kInterruptStatus));
      second.write(virtio_mmio::kInterruptAck, 3);
      static_cast<void>(second.config<std::uint32_t>(0));
    }
  });
  for (int life = 0; life < kRaceLives; ++life) {
    GuestArena arena(host.memory, GuestRange::constant(0x1000, 0xf'ffff));
    const std::uint64_t features =
        virtio::kFeatureVersion1 | (life % 2 == 0 ? virtio::kFeatureEventIdx : 0) | virtio::kFeatureIndirectDesc;
    const auto buffers = live(driver, arena, device, features, life);
    driver.reset();
    EXPECT_EQ(driver.status(), 0u);
    // The guest writes there as it likes, and finds what it wrote.
    const auto own = [](const DriverBuffer& buffer) { return std::vector<std::uint8_t>(buffer.length, 0xc3); };
    for (const DriverBuffer& buffer : buffers) EXPECT_TRUE(host.memory.write(buffer.address, own(buffer)).has_value());
    std::this_thread::yield();
    for (const DriverBuffer& buffer : buffers) EXPECT_EQ(arena.bytes(buffer.address, buffer.length), own(buffer));
  }
  done = true;
  other.join();
}

// A device is pulled out from under its driver, by doorbells, interrupts and all.
inline void removal_takes_a_device_out_of_traffic(const RacingDevice& device) {
  const RaceHost host;
  fake::DoorbellMachine machine(host.events->loop());
  const auto window = MmioRange::constant(0xd000'0000, 0xd000'0fff);
  auto manager =
      MmioDeviceManager::create(machine.devices, {.windows = window, .irqs = IdRange<Gsi>::constant(5, 5)}).value();
  fake::GuestWindow registers(machine, window.first());
  std::atomic<bool> done = false;
  std::atomic<std::uint64_t> lives = 0;
  std::thread guest([&] {
    VirtioMmioDriver driver(registers);
    // The device may touch its memory until the removal is done, and the driver does not know when that is: it never
    // uses memory twice.
    GuestArena arena(host.memory, GuestRange::constant(0x1000, 0xfff'ffff));
    while (!done) {
      if (!live(driver, arena, device, virtio::kFeatureVersion1, 30).empty()) ++lives;
    }
  });
  for (int life = 0; life < kRaceLives; ++life) {
    auto transport = host.plug_in(device);
    const std::weak_ptr<VirtioMmio> watch = transport;
    const std::string type(transport->type());
    EXPECT_TRUE(manager.add("a", std::move(transport)).has_value());
    EXPECT_EQ(machine.host.bound(), device.queues);
    const std::uint64_t before = lives;
    while (lives == before) std::this_thread::yield();
    const auto gone = manager.remove(type, "a");
    EXPECT_TRUE(gone.has_value());
    EXPECT_TRUE(gone->done());
    EXPECT_TRUE(watch.expired());
    EXPECT_EQ(machine.host.bound(), 0u);
  }
  done = true;
  guest.join();
}

}  // namespace keel::testing
