// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "src/vmm/pc_wires.h"
#include "src/vmm/virtio_devices.h"
#include "keel/base/clock.h"
#include "keel/base/error.h"
#include "keel/base/event_fd.h"
#include "keel/base/event_loop.h"
#include "keel/bus/doorbell.h"
#include "keel/bus/doorbell_server.h"
#include "keel/bus/io_manager.h"
#include "keel/bus/locked.h"
#include "keel/device/device_manager.h"
#include "keel/device/doorbell_step.h"
#include "keel/device/kernel_cmdline.h"
#include "keel/device/line_socket.h"
#include "keel/device/plain_device.h"
#include "keel/devices/acpi_pm.h"
#include "keel/devices/cmos_rtc.h"
#include "keel/devices/entropy_source.h"
#include "keel/devices/i8042.h"
#include "keel/devices/power_control.h"
#include "keel/devices/serial_backend.h"
#include "keel/devices/uart16550.h"
#include "keel/kvm/interrupts.h"
#include "keel/memory/guest_memory.h"
#include "keel/vmm/guest_image.h"
#include "keel/vmm/machine_backends.h"
#include "keel/vmm/machine_config.h"
#include "keel/vmm/machine_map.h"

namespace keel {

// The devices of a PC that Keel plays, each in its place: serial port, keyboard controller, clock, power management.
class Platform {
 public:
  // What it is wired to. All of it outlives the platform.
  struct Wiring {
    const kvm::Interrupts& interrupts;
    DoorbellHost& doorbells;
    std::vector<EventLoop*> loops;  // where virtio devices work; one at least
    IoManager& io;
    const GuestMemory& memory;
    PowerControl& power;
    SerialOutput& console;
    EventFd& serial_room;
    const Clock& clock;
  };

  [[nodiscard]] static Result<std::unique_ptr<Platform>> create(const Wiring& wiring, const MachineConfig& config,
                                                                MachineBackends backends);

  // Writes what tells the guest of these devices and of the processors: the ACPI tables and, where the kernel learns of
  // virtio devices by it, the command line. Of `image` all but its memory is used, which may have moved to the machine.
  Result<void> describe(const GuestImage& image) const;
  // The whole command line of `image` in this machine. Errors: those of VirtioDevices::insert_into().
  [[nodiscard]] Result<KernelCmdline> command_line(const GuestImage& image) const;

  [[nodiscard]] DeviceManager& devices() noexcept { return devices_; }
  [[nodiscard]] MachineMap map() const;

  // Types into the console device or else the serial port; returns how many bytes it took, or nothing where a vCPU is
  // inside the port.
  [[nodiscard]] std::optional<std::size_t> type(std::span<const std::uint8_t> bytes);
  void resize(TerminalSize size) { virtio_.resize(size); }

 private:
  // Says on an eventfd that the serial port has room.
  class RoomSignal final : public SerialInputSource {
   public:
    explicit RoomSignal(EventFd& event) noexcept : event_(event) {}
    void room_again() override;

   private:
    EventFd& event_;
  };

  Platform(const Wiring& wiring, SystemAllocator<Mutex> spaces);
  Result<void> attach_devices();
  Result<void> attach(std::string name, PlainDevice::Parts parts);

  const GuestMemory& memory_;
  const kvm::Interrupts& interrupts_;
  PcWires wires_;
  DoorbellServer doorbells_;
  DoorbellStep doorbell_step_;
  LineSocket com1_line_;
  LineSocket keyboard_line_;
  LineSocket acpi_line_;
  RoomSignal room_;
  std::shared_ptr<Locked<Uart16550>> com1_;
  std::shared_ptr<Locked<I8042>> keyboard_;
  std::shared_ptr<Locked<CmosRtc>> rtc_;
  std::shared_ptr<Locked<AcpiPm>> acpi_pm_;
  HostEntropy entropy_;
  DeviceManager devices_;  // it lets go of all of the above
  VirtioDevices virtio_;
};

}  // namespace keel
