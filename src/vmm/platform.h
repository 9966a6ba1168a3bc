// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "keel/base/clock.h"
#include "keel/base/error.h"
#include "keel/base/event_fd.h"
#include "keel/bus/io_manager.h"
#include "keel/bus/locked.h"
#include "keel/devices/acpi_pm.h"
#include "keel/devices/cmos_rtc.h"
#include "keel/devices/i8042.h"
#include "keel/devices/power_control.h"
#include "keel/devices/serial_backend.h"
#include "keel/devices/uart16550.h"
#include "keel/kvm/interrupts.h"
#include "keel/memory/guest_memory.h"

namespace keel {

// The devices of a PC that Keel plays, wired and registered: serial port, keyboard controller, clock, power management.
class Platform {
 public:
  // What it is wired to. All of it outlives the platform.
  struct Wiring {
    const kvm::Interrupts& interrupts;
    IoManager& io;
    PowerControl& power;
    SerialOutput& console;
    EventFd& serial_room;
    const Clock& clock;
  };

  [[nodiscard]] static Result<std::unique_ptr<Platform>> create(const Wiring& wiring);

  // Writes the ACPI tables that tell the guest of these devices and of `cpus` processors.
  Result<void> describe(const GuestMemory& memory, unsigned cpus) const;

  // Types into the serial port; returns how many bytes it took.
  [[nodiscard]] std::size_t type(std::span<const std::uint8_t> bytes);

 private:
  // Says on an eventfd that the serial port has room.
  class RoomSignal final : public SerialInputSource {
   public:
    explicit RoomSignal(EventFd& event) noexcept : event_(event) {}
    void room_again() override;

   private:
    EventFd& event_;
  };

  struct Wires {
    std::unique_ptr<LevelInterrupt> com1;
    std::unique_ptr<LevelInterrupt> keyboard;
    std::unique_ptr<LevelInterrupt> acpi;
  };

  Platform(const Wiring& wiring, Wires wires);
  Result<void> register_devices(IoManager& io);

  Wires wires_;
  RoomSignal room_;
  std::shared_ptr<Locked<Uart16550>> com1_;
  std::shared_ptr<Locked<I8042>> keyboard_;
  std::shared_ptr<Locked<CmosRtc>> rtc_;
  std::shared_ptr<Locked<AcpiPm>> acpi_pm_;
};

}  // namespace keel
