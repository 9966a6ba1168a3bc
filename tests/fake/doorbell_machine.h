// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>

#include "fake/machine.h"
#include "support/fake_doorbell_host.h"
#include "keel/bus/doorbell_server.h"
#include "keel/device/doorbell_step.h"

namespace keel::fake {

// A machine without a hypervisor whose devices have their doorbells: a ring is an event on their loop.
struct DoorbellMachine {
  // Serves the doorbells of devices that name no loop on `loop`, which outlives this.
  explicit DoorbellMachine(EventLoop& loop)
      : server(host, loop, io),
        devices(SystemAllocator<Mutex>::create(small_machine()).value(), io, {.interrupts = &hooks, .steps = {&step}}) {
  }

  IoManager io;
  Hooks hooks{nullptr};
  testing::FakeDoorbellHost host{io};
  DoorbellServer server;
  DoorbellStep step{server};
  DeviceManager devices;
};

// The registers of a device as the guest reaches them, by doorbell and through the bus, where the device may be gone.
class GuestWindow final : public DeviceMmio {
 public:
  // `machine` outlives this.
  GuestWindow(DoorbellMachine& machine, MmioAddress window) : machine_(machine), window_(window) {}
  void mmio_read(MmioAddress /*base*/, std::uint64_t offset, std::span<std::uint8_t> data) override {
    static_cast<void>(machine_.io.mmio_read(*window_.checked_add(offset), data));
  }
  void mmio_write(MmioAddress /*base*/, std::uint64_t offset, std::span<const std::uint8_t> data) override {
    static_cast<void>(machine_.host.write(*window_.checked_add(offset), data));
  }

 private:
  DoorbellMachine& machine_;
  const MmioAddress window_;
};

}  // namespace keel::fake
