// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/vmm/terminal_port.h"
#include "keel/arch/x86_64/acpi/device.h"
#include "keel/base/clock.h"
#include "keel/base/error.h"
#include "keel/base/event_fd.h"
#include "keel/base/event_loop.h"
#include "keel/device/device_manager.h"
#include "keel/device/kernel_cmdline.h"
#include "keel/devices/console_port.h"
#include "keel/devices/entropy_source.h"
#include "keel/devices/virtio_console.h"
#include "keel/memory/guest_memory.h"
#include "keel/virtio/mmio_device_manager.h"
#include "keel/virtio/virtio_device.h"
#include "keel/vmm/machine_backends.h"
#include "keel/vmm/machine_config.h"

namespace keel {

// The machine's virtio devices, each behind virtio-mmio.
class VirtioDevices {
 public:
  // All of it outlives the device manager, whose the devices are.
  struct Wiring {
    DeviceManager& devices;
    const GuestMemory& memory;
    std::vector<EventLoop*> loops;  // where disks and networks work, in turn; the others on the first
    EntropySource& entropy;
    const EventFd& terminal_room;  // signalled when type() takes more
    const Clock& clock;
  };

  explicit VirtioDevices(Wiring wiring) noexcept : wiring_(std::move(wiring)) {}

  // Makes and attaches every device that `config` names, on `backends`. Errors name the device.
  Result<void> attach_all(const MachineConfig& config, MachineBackends backends);
  // Attaches one that works on `loop`. The id tells devices of one type apart.
  Result<void> attach(std::string_view id, std::shared_ptr<VirtioDevice> device, EventLoop& loop);

  // The console device's terminal, where there is one: what is typed (as TerminalPort::type()), and its size.
  [[nodiscard]] bool has_terminal() const noexcept { return terminal_ != nullptr; }
  [[nodiscard]] std::size_t type(std::span<const std::uint8_t> bytes) { return terminal_->type(bytes); }
  void resize(TerminalSize size);

  // How the guest is told of them: one way or the other. Error kExhausted, where the command line has no room for all.
  [[nodiscard]] std::vector<x86_64::AcpiDevice> acpi_devices() const;
  Result<void> insert_into(KernelCmdline& cmdline) const;

 private:
  EventLoop& next_loop() noexcept { return *wiring_.loops[turn_++ % wiring_.loops.size()]; }
  Result<void> attach_disks(const MachineConfig& config, MachineBackends& backends);
  Result<void> attach_networks(const MachineConfig& config, MachineBackends& backends);
  Result<void> attach_console(const MachineConfig& config, MachineBackends& backends);

  const Wiring wiring_;
  std::size_t turn_ = 0;
  std::shared_ptr<TerminalPort> terminal_;
  std::shared_ptr<VirtioConsole> console_;
  std::optional<MmioDeviceManager> manager_;  // from the first device on
};

}  // namespace keel
