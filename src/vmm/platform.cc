// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/vmm/platform.h"

#include <utility>

#include "keel/arch/x86_64/acpi/acpi_tables.h"
#include "keel/arch/x86_64/memory_map.h"
#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel {

void Platform::RoomSignal::room_again() {
  const auto signalled = event_.signal();
  check(signalled.has_value(), "the machine's own eventfd takes a signal");
}

Result<std::unique_ptr<Platform>> Platform::create(const Wiring& wiring) {
  Wires wires;
  KEEL_TRY(wires.com1, wiring.interrupts.wire("com1", {x86_64::kCom1Gsi, TriggerMode::kEdge}));
  KEEL_TRY(wires.keyboard, wiring.interrupts.wire("i8042", {x86_64::kKeyboardGsi, TriggerMode::kEdge}));
  KEEL_TRY(wires.acpi, wiring.interrupts.wire("acpi-pm", {x86_64::kAcpiGsi, TriggerMode::kLevel}));
  std::unique_ptr<Platform> platform(new Platform(wiring, std::move(wires)));
  KEEL_TRY_VOID(platform->register_devices(wiring.io));
  return platform;
}

Platform::Platform(const Wiring& wiring, Wires wires)
    : wires_(std::move(wires)),
      room_(wiring.serial_room),
      com1_(std::make_shared<Locked<Uart16550>>(*wires_.com1, wiring.console, room_)),
      keyboard_(std::make_shared<Locked<I8042>>(*wires_.keyboard, wiring.power)),
      rtc_(std::make_shared<Locked<CmosRtc>>(wiring.clock)),
      acpi_pm_(std::make_shared<Locked<AcpiPm>>(AcpiPmPorts{.pm1_event = x86_64::kPm1EventPorts.first(),
                                                            .pm1_control = x86_64::kPm1ControlPorts.first(),
                                                            .timer = x86_64::kPmTimerPorts.first()},
                                                *wires_.acpi, wiring.clock, wiring.power)) {}

Result<void> Platform::register_devices(IoManager& io) {
  KEEL_TRY_VOID(io.register_pio(x86_64::kCom1Ports, com1_, "com1"));
  KEEL_TRY_VOID(io.register_pio(x86_64::kRtcPorts, rtc_, "rtc"));
  const PioRange keyboard[] = {PioRange::single(i8042::kDataPort), PioRange::single(i8042::kCommandPort)};
  KEEL_TRY_VOID(io.register_device(keyboard, keyboard_, {}, nullptr, "i8042"));
  const PioRange acpi[] = {x86_64::kPm1EventPorts, x86_64::kPm1ControlPorts};
  return io.register_device(acpi, acpi_pm_, {}, nullptr, "acpi-pm");
}

Result<void> Platform::describe(const GuestMemory& memory, unsigned cpus) const {
  x86_64::AcpiConfig config;
  config.cpu_count = cpus;
  // Nothing is plugged into the keyboard controller: a guest that is not told of it saves the probe, and resets the
  // machine through it all the same.
  config.keyboard_controller = x86_64::KeyboardController::kAbsent;
  // Nobody can press it.
  config.power_button = x86_64::PowerButton::kAbsent;
  // Guests have better clocks, and measure this one at length where they are told of it.
  config.fixed_hardware.pm_timer.reset();
  config.devices = {x86_64::acpi_com1(), x86_64::acpi_rtc()};
  KEEL_TRY_VOID(x86_64::write_acpi_tables(memory, config));
  return {};
}

std::size_t Platform::type(std::span<const std::uint8_t> bytes) {
  return com1_->with_lock([bytes](Uart16550& uart) { return uart.receive(bytes); });
}

}  // namespace keel
