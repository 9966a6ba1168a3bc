// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Entropy, the console with one port and with three, disk, network, and a device made for tests, behind virtio-mmio on
// a bus with doorbells and an interrupt line, under a driver that writes what it likes into registers and rings, and
// pulled out and put back whatever they have in their hands. Bytes of the input pick the devices; a new device is one
// line in make_device(). Block and net have fuzzers of their own, which know their requests.

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fake/doorbell_machine.h"
#include "fuzz/virtio_guest.h"
#include "support/fake_clock.h"
#include "support/fake_console_port.h"
#include "support/fake_disk.h"
#include "support/fake_network.h"
#include "support/fake_virtio_device.h"
#include "support/virtio_mmio_driver.h"
#include "keel/base/epoll_loop.h"
#include "keel/devices/virtio_block.h"
#include "keel/devices/virtio_console.h"
#include "keel/devices/virtio_net.h"
#include "keel/devices/virtio_rng.h"
#include "keel/virtio/mmio_device_manager.h"
#include "keel/virtio/virtio_mmio.h"

namespace keel {
namespace {

constexpr MmioRange kWindow = MmioRange::constant(0xd000'0000, 0xd000'0fff);

// What the devices stand on.
struct Host {
  const GuestMemory memory = GuestMemory::create(fuzz::guest_ram()).value();
  const std::unique_ptr<EpollLoop> loop = EpollLoop::create().value();
  testing::FakeClock clock;
  HostEntropy entropy;
  std::array<std::shared_ptr<FakeConsolePort>, 3> ports = {
      std::make_shared<FakeConsolePort>(), std::make_shared<FakeConsolePort>(), std::make_shared<FakeConsolePort>()};
  testing::FakeDisk* disk = nullptr;  // the disk's, while there is one
  testing::FakeNetwork::Wire wire;

  void event(FuzzedDataProvider& in) {
    clock.advance(std::chrono::milliseconds(in.ConsumeIntegral<std::uint8_t>()));
    FakeConsolePort& port = *ports[in.ConsumeIntegralInRange<std::size_t>(0, 2)];
    if (in.ConsumeBool()) port.type(in.ConsumeRandomLengthString(32));
    if (in.ConsumeBool()) port.limit(in.ConsumeIntegral<std::uint8_t>());
    if (in.ConsumeBool()) port.connect(FakeConsolePort::Outside::kSomebody);
    if (disk != nullptr) disk_event(in);
    if (wire.listener != nullptr) network_event(in);
  }
  void disk_event(FuzzedDataProvider& in) const {
    disk->hold(in.ConsumeBool() ? testing::FakeDisk::Hold::kOn : testing::FakeDisk::Hold::kOff);
    if (in.ConsumeBool()) disk->release();
  }
  void network_event(FuzzedDataProvider& in) {
    wire.outgoing.clear();
    wire.sent_on.clear();
    wire.room = in.ConsumeIntegralInRange<std::size_t>(0, 3);
    if (wire.room != 0) wire.listener->sendable(0);
    if (wire.incoming.size() < 8) wire.incoming.push_back({{}, std::vector<std::uint8_t>(60)});
    wire.listener->receivable(0);
  }
  // What a loop's thread would do by now.
  void serve() const {
    for (int i = 0; i < 10 && loop->serve(std::chrono::milliseconds(0)).value_or(0) != 0; ++i) {
    }
  }
};

std::shared_ptr<VirtioDevice> make_disk(Host& host) {
  auto disk = std::make_unique<testing::FakeDisk>(DiskProperties{.size = 0x4000, .can_discard = true});
  host.disk = disk.get();
  host.disk->hold();
  return VirtioBlock::create({.disk = std::move(disk), .loop = *host.loop, .id = "x", .queues = 2}).value();
}

std::shared_ptr<VirtioDevice> make_net(Host& host) {
  auto network = std::make_unique<testing::FakeNetwork>(NetProperties{.queue_pairs = 2}, host.wire);
  return VirtioNet::create({.network = std::move(network), .loop = *host.loop, .mac = {{2, 0, 0, 0, 0, 1}}}).value();
}

std::shared_ptr<VirtioDevice> make_device(std::uint8_t which, Host& host) {
  using Kind = VirtioConsole::Kind;
  switch (which % 6) {
    case 0: return VirtioRng::create(host.entropy, host.clock, *host.loop).value();
    case 1: return VirtioConsole::create({{.host = host.ports[0]}}, *host.loop).value();
    case 2:
      return VirtioConsole::create({{.host = host.ports[0]},
                                    {.host = host.ports[1], .kind = Kind::kPlain, .name = "agent"},
                                    {.host = host.ports[2], .kind = Kind::kPlain}},
                                   *host.loop)
          .value();
    case 3: return make_disk(host);
    case 4: return make_net(host);
    default: return std::make_shared<FakeVirtioDevice>();
  }
}

class Guest {
 public:
  Guest(Host& host, FuzzedDataProvider& in) : host_(host), empty_(text()) { plug_in(in); }

  void act(FuzzedDataProvider& in) {
    switch (in.ConsumeIntegralInRange(0, 11)) {
      case 0: bring_up(in); break;
      case 1: reset(); break;
      case 2:
        driver_.write(4ull * in.ConsumeIntegralInRange<std::uint64_t>(0, 70), in.ConsumeIntegral<std::uint32_t>());
        break;
      case 3: access(in); break;
      case 4: driver_.notify(in.ConsumeIntegralInRange<std::uint32_t>(0, 9)); break;
      case 5: host_.event(in); break;
      case 6: host_.serve(); break;
      case 7: in.ConsumeBool() ? plug_in(in) : pull_out(in); break;
      default:
        if (!queues_.empty()) fuzz::act(in, *queues_[in.ConsumeIntegral<std::uint8_t>() % queues_.size()]);
    }
    if (line_ == nullptr) return;
    check(line_->wire.is_high() == (driver_.read(virtio_mmio::kInterruptStatus) != 0),
          "the line is up while there is a reason");
  }

  void reset() {
    if (line_ == nullptr) return;
    driver_.reset();
    check(driver_.status() == 0, "a reset is done when the write is");
    check_memory_is_the_guests();
  }

 private:
  // In the place of one that is there, nothing can be put.
  void plug_in(FuzzedDataProvider& in) {
    const std::string before = text();
    const bool free = line_ == nullptr;
    const auto device = free ? make_device(in.ConsumeIntegral<std::uint8_t>(), host_) : make_device(5, host_);
    auto transport = VirtioMmio::create(device, host_.memory, *host_.loop).value();
    const std::weak_ptr<VirtioMmio> watch = transport;
    const auto info = manager_.add("a", std::move(transport));
    check(info.has_value() == free, "a device is attached where there is a place");
    if (!free) {
      check(text() == before && watch.expired(), "a device that is refused leaves nothing behind");
      return;
    }
    type_ = device->type();
    instance_ = info->instance;
    transport_ = watch;
    queue_count_ = device->queue_sizes().size();
    line_ = machine_.hooks.latest_line;
    check(machine_.host.bound() == queue_count_, "each queue has its doorbell");
  }
  // With whatever is under way.
  void pull_out(FuzzedDataProvider& in) {
    const auto gone = in.ConsumeBool() ? manager_.remove(type_, "a") : machine_.devices.detach(instance_);
    check(gone.has_value() == (line_ != nullptr), "what is there can be removed, and nothing else");
    if (gone) {
      check(gone->done() && transport_.expired(), "a removal is done when the call is");
      line_ = nullptr;
      host_.disk = nullptr;
      check(host_.wire.listener == nullptr, "a network without its device is stopped");
    }
    check(text() == empty_, "a machine from which everything was removed is as before");
    check_memory_is_the_guests();
  }

  // Nothing of a device's touches it after a reset, or when it is gone.
  void check_memory_is_the_guests() {
    const auto before = bytes();
    host_.clock.advance(std::chrono::seconds(1));
    host_.serve();
    for (std::uint32_t queue = 0; queue < queue_count_; ++queue) driver_.notify(queue);
    host_.serve();
    check(bytes() == before, "memory is the guest's alone after a reset");
  }
  void bring_up(FuzzedDataProvider& in) {
    queues_.clear();
    arena_ = std::make_unique<GuestArena>(host_.memory, GuestRange::constant(0x100, 0x3fff));
    if (!driver_.negotiate(in.ConsumeBool() ? driver_.device_features() : in.ConsumeIntegral<std::uint64_t>())) return;
    for (std::uint16_t i = 0; i < std::min<std::size_t>(queue_count_, 8); ++i) {
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
      registers_.mmio_read(kWindow.first(), offset, bytes);
    } else {
      std::ranges::generate(bytes, [&] { return in.ConsumeIntegral<std::uint8_t>(); });
      registers_.mmio_write(kWindow.first(), offset, bytes);
    }
  }
  [[nodiscard]] std::vector<std::uint8_t> bytes() const {
    std::vector<std::uint8_t> all(0x10000);
    check(host_.memory.read(GuestAddress(0), all).has_value(), "all of it is RAM");
    return all;
  }
  // What the machine has attached, wired and bound.
  [[nodiscard]] std::string text() const {
    return to_string(machine_.devices.spaces()) + to_string(machine_.devices.view()) + machine_.hooks.book.text() +
           std::to_string(machine_.io.mmio_entries().size()) + " " + std::to_string(machine_.host.bound());
  }

  Host& host_;
  fake::DoorbellMachine machine_{*host_.loop};
  MmioDeviceManager manager_ =
      MmioDeviceManager::create(machine_.devices, {.windows = kWindow, .irqs = IdRange<Gsi>::constant(5, 5)}).value();
  const std::string empty_;
  fake::GuestWindow registers_{machine_, kWindow.first()};
  VirtioMmioDriver driver_{registers_};
  // Of the device that is attached, or was last.
  std::string type_;
  InstanceId instance_{0};
  std::weak_ptr<VirtioMmio> transport_;
  std::size_t queue_count_ = 0;
  fake::Hooks::Line* line_ = nullptr;  // null while there is none
  std::unique_ptr<GuestArena> arena_;
  std::vector<std::unique_ptr<DriverQueue>> queues_;
};

}  // namespace
}  // namespace keel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider in(data, size);
  keel::Host host;
  keel::Guest guest(host, in);
  while (in.remaining_bytes() != 0) guest.act(in);
  guest.reset();
  return 0;
}
