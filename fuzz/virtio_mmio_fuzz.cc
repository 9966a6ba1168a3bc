// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Entropy, the console with one port and with three, and a device made for tests, behind virtio-mmio, under a driver
// that writes what it likes into registers and rings. An input's first byte picks the device; a new device is a
// case in make_device(), and one more in the count that picks it. Block and net have fuzzers of their own, on backends
// that obey the input.

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <vector>

#include "fuzz/virtio_guest.h"
#include "support/fake_clock.h"
#include "support/fake_console_port.h"
#include "support/fake_virtio_device.h"
#include "support/virtio_mmio_driver.h"
#include "keel/base/epoll_loop.h"
#include "keel/devices/virtio_console.h"
#include "keel/devices/virtio_rng.h"
#include "keel/virtio/virtio_mmio.h"

namespace keel {
namespace {

// What the devices stand on.
struct Host {
  const GuestMemory memory = GuestMemory::create(fuzz::guest_ram()).value();
  const std::unique_ptr<EpollLoop> loop = EpollLoop::create().value();
  testing::FakeClock clock;
  HostEntropy entropy;
  std::array<std::shared_ptr<FakeConsolePort>, 3> ports = {
      std::make_shared<FakeConsolePort>(), std::make_shared<FakeConsolePort>(), std::make_shared<FakeConsolePort>()};

  void event(FuzzedDataProvider& in) {
    clock.advance(std::chrono::milliseconds(in.ConsumeIntegral<std::uint8_t>()));
    FakeConsolePort& port = *ports[in.ConsumeIntegralInRange<std::size_t>(0, 2)];
    if (in.ConsumeBool()) port.type(in.ConsumeRandomLengthString(32));
    if (in.ConsumeBool()) port.limit(in.ConsumeIntegral<std::uint8_t>());
    if (in.ConsumeBool()) port.connect(FakeConsolePort::Outside::kSomebody);
  }
  // What a loop's thread would do by now.
  void serve() const {
    for (int i = 0; i < 10 && loop->serve(std::chrono::milliseconds(0)).value_or(0) != 0; ++i) {
    }
  }
};

std::shared_ptr<VirtioDevice> make_device(std::uint8_t which, Host& host) {
  using Kind = VirtioConsole::Kind;
  switch (which % 4) {
    case 0: return VirtioRng::create(host.entropy, host.clock, *host.loop).value();
    case 1: return VirtioConsole::create({{.host = host.ports[0]}}, *host.loop).value();
    case 2:
      return VirtioConsole::create({{.host = host.ports[0]},
                                    {.host = host.ports[1], .kind = Kind::kPlain, .name = "agent"},
                                    {.host = host.ports[2], .kind = Kind::kPlain}},
                                   *host.loop)
          .value();
    default: return std::make_shared<FakeVirtioDevice>();
  }
}

class Guest {
 public:
  Guest(Host& host, const std::shared_ptr<VirtioDevice>& device)
      : host_(host), device_(*device), transport_(VirtioMmio::create(device, host.memory, *host.loop).value()) {}

  void act(FuzzedDataProvider& in) {
    switch (in.ConsumeIntegralInRange(0, 9)) {
      case 0: bring_up(in); break;
      case 1: reset(); break;
      case 2:
        driver_.write(4ull * in.ConsumeIntegralInRange<std::uint64_t>(0, 70), in.ConsumeIntegral<std::uint32_t>());
        break;
      case 3: access(in); break;
      case 4: driver_.notify(in.ConsumeIntegralInRange<std::uint32_t>(0, 9)); break;
      case 5: host_.event(in); break;
      case 6: host_.serve(); break;
      default:
        if (!queues_.empty()) fuzz::act(in, *queues_[in.ConsumeIntegral<std::uint8_t>() % queues_.size()]);
    }
  }

  // Nothing of the device's touches memory after a reset.
  void reset() {
    driver_.reset();
    check(driver_.status() == 0, "a reset is done when the write is");
    const auto before = bytes();
    host_.clock.advance(std::chrono::seconds(1));
    host_.serve();
    for (std::uint32_t queue = 0; queue < device_.queue_sizes().size(); ++queue) driver_.notify(queue);
    host_.serve();
    check(bytes() == before, "memory is the guest's alone after a reset");
  }

 private:
  void bring_up(FuzzedDataProvider& in) {
    queues_.clear();
    arena_ = std::make_unique<GuestArena>(host_.memory, GuestRange::constant(0x100, 0x3fff));
    if (!driver_.negotiate(in.ConsumeBool() ? driver_.device_features() : in.ConsumeIntegral<std::uint64_t>())) return;
    for (std::uint16_t i = 0; i < std::min<std::size_t>(device_.queue_sizes().size(), 8); ++i) {
      queues_.push_back(std::make_unique<DriverQueue>(*arena_, 4, i));
      if (in.ConsumeIntegral<std::uint8_t>() != 0) (void)driver_.set_up(*queues_.back());
    }
    driver_.start();
  }
  // Of any size, anywhere in the window.
  void access(FuzzedDataProvider& in) {
    std::vector<std::uint8_t> bytes(in.PickValueInArray({1u, 2u, 4u, 8u, 3u, 64u}));
    const std::uint64_t offset = in.ConsumeIntegralInRange<std::uint64_t>(0, 0x1000 - bytes.size());
    if (in.ConsumeBool()) {
      transport_->mmio_read(MmioAddress(0), offset, bytes);
    } else {
      std::ranges::generate(bytes, [&] { return in.ConsumeIntegral<std::uint8_t>(); });
      transport_->mmio_write(MmioAddress(0), offset, bytes);
    }
  }
  [[nodiscard]] std::vector<std::uint8_t> bytes() const {
    std::vector<std::uint8_t> all(0x10000);
    check(host_.memory.read(GuestAddress(0), all).has_value(), "all of it is RAM");
    return all;
  }

  Host& host_;
  VirtioDevice& device_;
  const std::shared_ptr<VirtioMmio> transport_;
  VirtioMmioDriver driver_{*transport_};
  std::unique_ptr<GuestArena> arena_;
  std::vector<std::unique_ptr<DriverQueue>> queues_;
};

}  // namespace
}  // namespace keel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider in(data, size);
  keel::Host host;
  const auto which = in.ConsumeIntegral<std::uint8_t>();
  keel::Guest guest(host, keel::make_device(which, host));
  while (in.remaining_bytes() != 0) guest.act(in);
  guest.reset();
  return 0;
}
