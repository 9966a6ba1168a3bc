// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Devices on real backends with a loop of their own, reset and removed in the middle of their I/O. What these tests
// find they find under ThreadSanitizer and AddressSanitizer.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_driver_signals.h"
#include "support/run_program.h"
#include "support/virtio_driver.h"
#include "keel/backends/disk_file.h"
#include "keel/backends/user_network.h"
#include "keel/base/event_thread.h"
#include "keel/devices/virtio_block.h"
#include "keel/devices/virtio_net.h"

namespace keel {
namespace {

using testing::TemporaryFile;
using Engine = DiskFileOptions::Engine;
constexpr std::uint16_t kSize = 32;

// A guest with one device. Notifications come on the loop, as a transport sends them.
class DeviceUnderFire {
 public:
  DeviceUnderFire(std::shared_ptr<VirtioDevice> device, EventLoop& loop)
      : device_(std::move(device)), kick_(EventFd::create().value()) {
    watch_ = loop.watch(kick_.fd(), Readiness::kReadable,
                        [this] {
                          EXPECT_TRUE(kick_.drain().has_value());
                          for (std::uint16_t i = 0; i < 2; ++i) device_->notify(i);
                        })
                 .value();
  }
  ~DeviceUnderFire() { watch_.drop_and_wait(); }
  DeviceUnderFire(const DeviceUnderFire&) = delete;
  DeviceUnderFire& operator=(const DeviceUnderFire&) = delete;

  void activate() {
    // Rings start empty, also where others were before.
    EXPECT_TRUE(memory_.write(GuestAddress(0x1000), std::vector<std::uint8_t>(0x4000)).has_value());
    arena_ = std::make_unique<GuestArena>(memory_, GuestRange::constant(0x1000, 0xff'ffff));
    queues_.clear();
    const std::uint64_t features = virtio::kFeatureVersion1 | (device_->features() & virtio_block::kFeatureFlush);
    VirtioActivation activation{.features = features, .queues = {}, .signals = &signals_};
    for (std::uint16_t i = 0; i < 2; ++i) {
      queues_.push_back(std::make_unique<DriverQueue>(*arena_, kSize, i));
      activation.queues.push_back(VirtQueue::create(memory_, queues_.back()->layout(), features, signals_).value());
    }
    EXPECT_TRUE(device_->activate(std::move(activation)).has_value());
  }
  DriverQueue& queue(std::size_t index) { return *queues_[index]; }
  void kick() { EXPECT_TRUE(kick_.signal().has_value()); }
  VirtioDevice& device() { return *device_; }
  // The device goes, while the loop goes on.
  void remove() {
    watch_.drop_and_wait();
    device_.reset();
  }

 private:
  const GuestMemory memory_ = GuestMemory::create(std::array{GuestRange::constant(0, 0xff'ffff)}).value();
  FakeDriverSignals signals_;
  std::shared_ptr<VirtioDevice> device_;
  const EventFd kick_;
  Watch watch_;
  std::unique_ptr<GuestArena> arena_;
  std::vector<std::unique_ptr<DriverQueue>> queues_;
};

class DiskUnderFire : public ::testing::TestWithParam<Engine> {
 protected:
  static void send_requests(DeviceUnderFire& guest, unsigned round) {
    for (unsigned i = 0; i < 9; ++i) {
      const std::uint32_t type = i % 3 == 0 ? virtio_block::kTypeOut : virtio_block::kTypeIn;
      auto request = guest.queue(i % 2).request();
      request.out_object(virtio_block::RequestHeader{.type = type, .reserved = 0, .sector = (round + i) % 100});
      if (type == virtio_block::kTypeIn) {
        request.in(4096).in(1).send();
      } else {
        request.out(std::vector<std::uint8_t>(4096, 1)).in(1).send();
      }
    }
    guest.kick();
  }

  // `opened` is called when a life begins.
  static void live_and_die(int lives, const std::function<void()>& opened) {
    const TemporaryFile file(std::string(1 << 20, 'x'));
    const auto thread = EventThread::start("test").value();
    for (int life = 0; life < lives; ++life) {
      auto disk = open_disk(file.path(), {.engine = GetParam()});
      ASSERT_TRUE(disk.has_value()) << "the life before left its lock: " << disk.error().message();
      DeviceUnderFire guest(
          VirtioBlock::create({.disk = std::move(*disk), .loop = thread->loop(), .id = "x", .queues = 2}).value(),
          thread->loop());
      opened();
      for (unsigned round = 0; round < 40; ++round) {
        guest.activate();
        send_requests(guest, round);
        if (round % 3 == 1) std::this_thread::sleep_for(std::chrono::microseconds(round * 20));
        guest.device().reset();
      }
      guest.activate();
      send_requests(guest, 0);
      guest.remove();
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, DiskUnderFire, ::testing::Values(Engine::kUring, Engine::kThreads));

TEST_P(DiskUnderFire, IsResetAndRemovedInTheMiddle) {
  live_and_die(5, [] {});
}

// Both are there before either goes: liburing maps its rings by system calls that ThreadSanitizer does not see, and one
// ring in the other's old place would look like a race.
TEST_P(DiskUnderFire, SoAreTwoOnThreadsOfTheirOwn) {
  std::latch both(2);
  const auto opened = [&] { both.arrive_and_wait(); };
  std::thread beside([&] { live_and_die(1, opened); });
  live_and_die(1, opened);
  beside.join();
}

TEST_P(DiskUnderFire, CompletesEverythingThatIsNotResetUnderIt) {
  const TemporaryFile file(std::string(1 << 20, 'x'));
  const auto thread = EventThread::start("test").value();
  auto disk = open_disk(file.path(), {.engine = GetParam()}).value();
  DeviceUnderFire guest(
      VirtioBlock::create({.disk = std::move(disk), .loop = thread->loop(), .id = "x", .queues = 2}).value(),
      thread->loop());
  guest.activate();
  for (unsigned round = 0; round < 50; ++round) {
    send_requests(guest, round);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (unsigned done = 0; done < 9;) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "a completion was slept on, round " << round;
      for (std::size_t queue = 0; queue < 2; ++queue)
        while (guest.queue(queue).take_used()) ++done;
      std::this_thread::yield();
    }
  }
  guest.remove();
}

TEST(NetworkUnderFire, IsResetAndRemovedInTheMiddle) {
  const auto thread = EventThread::start("test").value();
  for (int life = 0; life < 3; ++life) {
    auto network = start_user_network({.forwards = {}, .program = KEEL_SLIRP});
    ASSERT_TRUE(network.has_value()) << network.error().message();
    DeviceUnderFire guest(
        VirtioNet::create({.network = std::move(*network), .loop = thread->loop(), .mac = {{2}}}).value(),
        thread->loop());
    for (unsigned round = 0; round < 40; ++round) {
      guest.activate();
      for (int i = 0; i < 8; ++i) guest.queue(0).request().in(2048).send();
      // Who is there? The gateway answers each.
      std::vector<std::uint8_t> frame(12 + 42, 0);
      std::fill_n(frame.begin() + 12, 6, std::uint8_t{0xff});
      const std::array<std::uint8_t, 36> rest = {2, 0, 0, 0, 0,  0, 8, 6, 0, 1, 8, 0, 6, 4, 0,  1, 2, 0,
                                                 0, 0, 0, 0, 10, 0, 2, 9, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2};
      std::copy(rest.begin(), rest.end(), frame.begin() + 18);
      for (int i = 0; i < 8; ++i) guest.queue(1).request().out(frame).send();
      guest.kick();
      if (round % 3 == 1) std::this_thread::sleep_for(std::chrono::microseconds(round * 50));
      guest.device().reset();
    }
    guest.activate();
    guest.kick();
    guest.remove();
  }
}

}  // namespace
}  // namespace keel
