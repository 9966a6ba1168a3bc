// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// A virtio device of one's own, attached to a machine, found by a driver, and used. docs/adding-a-device.md tells the
// story.

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "examples/virtio_reverse.h"
#include "support/virtio_mmio_driver.h"
#include "keel/base/epoll_loop.h"
#include "keel/device/device_manager.h"
#include "keel/virtio/mmio_device_manager.h"
#include "keel/virtio/virtio_mmio.h"

namespace {

// This machine has no hypervisor, so its interrupts go nowhere.
struct LooseWires final : keel::InterruptFactory {
  struct Wire final : keel::LevelInterrupt {
    keel::Result<void> raise() override { return {}; }
    keel::Result<void> lower() override { return {}; }
  };
  keel::Result<std::unique_ptr<keel::LevelInterrupt>> connect(keel::Gsi, std::string_view) override {
    return std::make_unique<Wire>();
  }
};

// What the guest reaches through the bus.
struct Window final : keel::DeviceMmio {
  Window(const keel::IoManager& machine_io, keel::MmioAddress at) : io(machine_io), first(at) {}
  void mmio_read(keel::MmioAddress, std::uint64_t offset, std::span<std::uint8_t> data) override {
    (void)io.mmio_read(*first.checked_add(offset), data);
  }
  void mmio_write(keel::MmioAddress, std::uint64_t offset, std::span<const std::uint8_t> data) override {
    (void)io.mmio_write(*first.checked_add(offset), data);
  }
  const keel::IoManager& io;
  const keel::MmioAddress first;
};

// Sends `text` through the device and returns what came back.
std::string ask(keel::DeviceMmio& registers, keel::GuestArena& arena, keel::EpollLoop& loop, std::string_view text) {
  keel::VirtioMmioDriver driver(registers);
  keel::DriverQueue queue(arena, 16);
  if (!driver.negotiate(keel::virtio::kFeatureVersion1)) return "(the features do not stick)";
  if (!driver.set_up(queue)) return "(there is no queue of 16)";
  driver.start();
  const auto sent = queue.request()
                        .out({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()})
                        .in(static_cast<std::uint32_t>(text.size()))
                        .send();
  driver.notify(0);
  (void)loop.serve(std::chrono::milliseconds(0));  // what the loop's own thread would do
  const auto answer = queue.written(sent);
  return {answer.begin(), answer.end()};
}

}  // namespace

int main() {
  using namespace keel;
  const std::vector<GuestRange> ram = {GuestRange::constant(0, 0xf'ffff)};
  const GuestMemory memory = GuestMemory::create(ram).value();
  const auto loop = EpollLoop::create().value();
  IoManager io;
  LooseWires wires;
  DeviceManager devices(SystemAllocator<Mutex>::create({.mmio_low = MmioRange::constant(0xd000'0000, 0xdfff'ffff),
                                                        .legacy_irqs = IdRange<Gsi>::constant(5, 23)})
                            .value(),
                        io, {.interrupts = &wires});
  auto platform = MmioDeviceManager::create(devices, {.windows = MmioRange::constant(0xd000'0000, 0xdfff'ffff),
                                                      .irqs = IdRange<Gsi>::constant(5, 23)})
                      .value();

  const auto transport = VirtioMmio::create(std::make_shared<VirtioReverse>(), memory, *loop).value();
  const auto place = platform.add("mirror", transport);
  if (!place) return std::fprintf(stderr, "%s\n", place.error().message().c_str()), 1;
  std::printf("%s \"%s\" is at %#llx\n", place->type.c_str(), place->id.c_str(),
              static_cast<unsigned long long>(place->window.first().value()));

  Window window(io, place->window.first());
  GuestArena arena(memory, GuestRange::constant(0x1000, 0xf'ffff));
  const std::string answer = ask(window, arena, *loop, "leek");
  std::printf("leek -> %s\n", answer.c_str());
  return answer == "keel" ? 0 : 1;
}
