// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "support/reset_race.h"

#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_console_port.h"
#include "support/late_virtio_device.h"
#include "support/loopback_network.h"
#include "keel/devices/virtio_console.h"
#include "keel/devices/virtio_net.h"
#include "keel/devices/virtio_rng.h"

namespace keel {
namespace {

using testing::RacingDevice;

// Fills with 0x5a at once.
class PlainEntropy final : public EntropySource {
 public:
  std::size_t fill(std::span<std::uint8_t> bytes) override {
    std::ranges::fill(bytes, std::uint8_t{0x5a});
    return bytes.size();
  }
};

void ask_for_64_bytes(DriverRequest& request, std::uint16_t /*queue*/, unsigned /*number*/) {
  request.in(64);
}

RacingDevice rng() {
  return {.name = "rng",
          .make =
              [](EventLoop& loop) {
                static const SystemClock clock;
                static PlainEntropy entropy;
                return VirtioRng::create(entropy, clock, loop, {.bytes_per_second = 1 << 30, .burst = 1 << 30}).value();
              },
          .ask = ask_for_64_bytes};
}

RacingDevice late() {
  return {
      .name = "late", .make = [](EventLoop&) { return std::make_shared<LateVirtioDevice>(); }, .ask = ask_for_64_bytes};
}

// Frames that come back.
RacingDevice net() {
  return {.name = "net",
          .queues = 2,
          .make =
              [](EventLoop& loop) {
                return VirtioNet::create(
                           {.network = std::make_unique<testing::LoopbackNetwork>(), .loop = loop, .mac = {{2}}})
                    .value();
              },
          .ask =
              [](DriverRequest& request, std::uint16_t queue, unsigned /*number*/) {
                if (queue == 0)
                  request.in(256);
                else
                  request.out_object(virtio_net::Header{}).out(std::vector<std::uint8_t>(60, 0x5a));
              }};
}

// A console with two ports, at which somebody outside types, connects, leaves, reads now and then, and changes the
// terminal's size.
class BusyConsole {
 public:
  explicit BusyConsole(EventLoop& loop)
      : console_(
            VirtioConsole::create(
                {{.host = ports_[0]}, {.host = ports_[1], .kind = VirtioConsole::Kind::kPlain, .name = "agent"}}, loop)
                .value()),
        outside_([this](const std::stop_token& over) { be_busy(over); }) {}
  [[nodiscard]] VirtioDevice* device() const noexcept { return console_.get(); }

 private:
  void be_busy(const std::stop_token& over) {
    for (unsigned i = 0; !over.stop_requested(); ++i) {
      FakeConsolePort& port = *ports_[i % 2];
      if (port.unread() < 500) port.type("0123456789");
      port.limit(i % 5 * 100);
      if (i % 8 == 0)
        port.connect(i % 16 == 0 ? FakeConsolePort::Outside::kNobody : FakeConsolePort::Outside::kSomebody);
      if (i % 16 == 3) console_->resize({.columns = static_cast<std::uint16_t>(i % 100), .rows = 1});
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }

  const std::array<std::shared_ptr<FakeConsolePort>, 2> ports_ = {std::make_shared<FakeConsolePort>(),
                                                                  std::make_shared<FakeConsolePort>()};
  const std::shared_ptr<VirtioConsole> console_;
  const std::jthread outside_;  // last: it uses the others
};

void ask_console(DriverRequest& request, std::uint16_t queue, unsigned number) {
  using virtio_console::Event;
  static constexpr std::array<virtio_console::Control, 5> kControls = {{
      {.port = 0, .event = static_cast<std::uint16_t>(Event::kDeviceReady), .value = 1},
      {.port = 0, .event = static_cast<std::uint16_t>(Event::kPortReady), .value = 1},
      {.port = 1, .event = static_cast<std::uint16_t>(Event::kPortReady), .value = 1},
      {.port = 0, .event = static_cast<std::uint16_t>(Event::kPortOpen), .value = 1},
      {.port = 1, .event = static_cast<std::uint16_t>(Event::kPortOpen), .value = 1},
  }};
  if (queue == virtio_console::kControlTransmitQueue)
    request.out_object(kControls[number / 6 % kControls.size()]);
  else if (queue % 2 == 0)
    request.in(32);
  else
    request.out(std::vector<std::uint8_t>(48, 0x5a));
}

RacingDevice console() {
  return {.name = "console",
          .features = virtio_console::kFeatureSize | virtio_console::kFeatureMultiport,
          .queues = 6,
          .make =
              [](EventLoop& loop) {
                const auto busy = std::make_shared<BusyConsole>(loop);
                return std::shared_ptr<VirtioDevice>(busy, busy->device());
              },
          .ask = ask_console};
}

class ResetRaceTest : public ::testing::TestWithParam<RacingDevice> {};

TEST_P(ResetRaceTest, NothingOfAnOldLifeTouchesMemory) {
  testing::nothing_of_an_old_life_touches_memory(GetParam());
}

TEST_P(ResetRaceTest, RemovalTakesADeviceOutOfTraffic) {
  testing::removal_takes_a_device_out_of_traffic(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Devices, ResetRaceTest, ::testing::Values(rng(), late(), net(), console()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace keel
