// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "keel/arch/x86_64/acpi/device.h"
#include "keel/arch/x86_64/memory_map.h"
#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/memory/guest_memory.h"

namespace keel::x86_64 {

// The fixed hardware (ACPI 6.4, 4.8.3) that the machine has.
struct AcpiFixedHardware {
  PioAddress pm1_event = kPm1EventPorts.first();               // 4 bytes: status, then enable
  PioAddress pm1_control = kPm1ControlPorts.first();           // 2 bytes
  std::optional<PioAddress> pm_timer = kPmTimerPorts.first();  // 4 bytes, all of which count
  std::uint8_t s5_sleep_type = 5;                              // SLP_TYP for "off", 3 bits
};

// What is behind ports 0x60 and 0x64. A guest that is told of no controller looks for none, and still resets the
// machine through port 0x64, which is the FADT's reset register.
enum class KeyboardController : std::uint8_t { kAbsent, kPresent };
// kFixed: PM1's power button bits work. kAbsent: there is none.
enum class PowerButton : std::uint8_t { kAbsent, kFixed };

struct AcpiConfig {
  std::uint32_t cpu_count = 1;  // their APIC ids are 0, 1, 2, …
  AcpiFixedHardware fixed_hardware = {};
  KeyboardController keyboard_controller = KeyboardController::kPresent;
  PowerButton power_button = PowerButton::kFixed;
  // The initialiser lets g++ accept a configuration that leaves it out.
  std::vector<AcpiDevice> devices = {};  // NOLINT(readability-redundant-member-init)
};

// Writes the machine's tables at kAcpiTables: RSDP, XSDT, FADT, FACS, MADT, DSDT. Returns the RSDP's address, which is
// also where a guest finds it that looks for itself.
// What the tables say, and the machine has to keep: SCI is GSI 9, level and active high; every ISA interrupt is
// the IOAPIC pin of its own number, the timer's too, which is where KVM's routing has it (a board has it on pin 2);
// local APICs and the IOAPIC are where memory_map.h has them; there is a CMOS RTC with a century at 0x32, and no VGA; a
// byte 0xfe to port 0x64 resets the machine. Errors: kInvalidArgument for a device that check_acpi_device() refuses or
// that is like another one, no processor or more than 4096, a sleep type of more than 3 bits; kExhausted where the
// tables outgrow their place; kOutOfBounds where that is not RAM.
[[nodiscard]] Result<GuestAddress> write_acpi_tables(const GuestMemory& memory, const AcpiConfig& config);

// The single tables, for a look at them. Preconditions: what write_acpi_tables() checks.
[[nodiscard]] std::vector<std::uint8_t> make_fadt(const AcpiConfig& config, GuestAddress facs, GuestAddress dsdt);
[[nodiscard]] std::vector<std::uint8_t> make_madt(const AcpiConfig& config);
[[nodiscard]] std::vector<std::uint8_t> make_dsdt(const AcpiConfig& config);

}  // namespace keel::x86_64
