// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/machine_map.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "src/vmm/pc_layout.h"
#include "src/vmm/platform.h"
#include "keel/base/clock.h"
#include "keel/base/event_fd.h"
#include "keel/base/event_loop.h"
#include "keel/base/try.h"
#include "keel/bus/doorbell.h"
#include "keel/bus/io_manager.h"
#include "keel/kvm/interrupts.h"
#include "keel/kvm/irq_calls.h"
#include "keel/vmm/machine_backends.h"

namespace keel {
namespace {

// A kernel that gives all that is asked for and does nothing.
class NoIrqCalls final : public kvm::IrqCalls {
 public:
  Result<void> set_routes(std::span<const kvm::MsiRoute> /*messages*/) override { return {}; }
  Result<void> add_irqfd(const EventFd& /*trigger*/, Gsi /*gsi*/) override { return {}; }
  Result<void> add_resampled_irqfd(const EventFd& /*trigger*/, const EventFd& /*resample*/, Gsi /*gsi*/) override {
    return {};
  }
  Result<void> remove_irqfd(const EventFd& /*trigger*/, Gsi /*gsi*/) override { return {}; }
  Result<void> raise_line(Gsi /*gsi*/) override { return {}; }
  Result<void> lower_line(Gsi /*gsi*/) override { return {}; }
  Result<void> signal_msi(const MsiConfig& /*message*/) override { return {}; }
  [[nodiscard]] std::uint32_t gsi_count() const noexcept override { return kPcGsis; }
};

// A machine that nobody runs.
class Nobody final : public DoorbellHost, public EventLoop, public PowerControl, public SerialOutput {
 public:
  Result<std::unique_ptr<DoorbellBinding>> bind(const PioDoorbell& /*doorbell*/, const EventFd& /*event*/) override {
    return std::make_unique<DoorbellBinding>();
  }
  Result<std::unique_ptr<DoorbellBinding>> bind(const MmioDoorbell& /*doorbell*/, const EventFd& /*event*/) override {
    return std::make_unique<DoorbellBinding>();
  }
  void request_reset(std::string_view /*source*/) override {}
  void request_power_off(std::string_view /*source*/) override {}
  void write(std::span<const std::uint8_t> /*bytes*/) override {}

 protected:
  Result<Registration> add(int /*fd*/, Readiness /*readiness*/, std::function<void()> /*callback*/) override {
    return Registration();
  }
  void remove(Registration /*registration*/) noexcept override {}
};

}  // namespace

Result<MachineMap> map_machine(const GuestImage& image) {
  Nobody nobody;
  const SystemClock clock;
  IoManager io;
  const kvm::Interrupts interrupts(std::make_shared<NoIrqCalls>(), nobody);
  KEEL_TRY(EventFd serial_room, EventFd::create());
  KEEL_TRY(const auto platform, Platform::create({.interrupts = interrupts,
                                                  .doorbells = nobody,
                                                  .loops = {&nobody},
                                                  .io = io,
                                                  .memory = image.memory,
                                                  .power = nobody,
                                                  .console = nobody,
                                                  .serial_room = serial_room,
                                                  .clock = clock},
                                                 image.config, MachineBackends::absent(image.config)));
  KEEL_TRY_VOID(platform->command_line(image));
  return platform->map();
}

}  // namespace keel
