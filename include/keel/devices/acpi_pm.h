// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>

#include "keel/base/clock.h"
#include "keel/bus/device_io.h"
#include "keel/devices/acpi_pm_spec.h"
#include "keel/devices/driven_line.h"
#include "keel/devices/power_control.h"
#include "keel/interrupt/interrupt.h"

namespace keel {

// Where the register blocks are; acpi_pm_spec.h has their sizes.
struct AcpiPmPorts {
  PioAddress pm1_event;
  PioAddress pm1_control;
  PioAddress timer;
};

// ACPI fixed hardware: power off, power button and the power management timer.
//
// Implements: PM1a event block with the power button; PM1a control block with soft off (S5); the 32-bit timer.
// Leaves out: sleep states but S5, which are ignored when asked for; sleep button, RTC wake and global lock, whose
//   status never comes up; the timer's carry event; legacy mode, so SCI_EN is always 1; the PM1b blocks, general
//   purpose events and the PM2 block.
// Spec: ACPI Specification 6.5, section 4.8.3.
// What the guest needs: a range for each block; a FADT that names them, with SMI_CMD 0, flag TMR_VAL_EXT (the timer has
//   32 bits) set, PWR_BUTTON clear, SLP_BUTTON and FIX_RTC set, and SCI_INT; a DSDT with \_S5 of kS5SleepType. The
//   timer may be left out of both bus and FADT.
//
// Bytes outside of the three blocks read as ones and write nowhere. Threads: one at a time, guest and host alike;
// inside Locked<>, press_power_button() is called through that lock.
class AcpiPm final : public MutDevicePio {
 public:
  // The three references must outlive the device.
  AcpiPm(const AcpiPmPorts& ports, LevelInterrupt& sci, const Clock& clock, PowerControl& power) noexcept
      : ports_(ports), sci_(sci), clock_(clock), power_(power) {}

  void pio_read(PioAddress base, std::uint16_t offset, std::span<std::uint8_t> data) override;
  void pio_write(PioAddress base, std::uint16_t offset, std::span<const std::uint8_t> data) override;

  // The guest gets an SCI as soon as it has the button enabled, and does as it likes. Pressing again before it has
  // looked changes nothing.
  void press_power_button();

 private:
  void write_event(std::uint16_t offset, std::uint8_t value) noexcept;
  void write_control(std::uint16_t offset, std::uint8_t value);
  [[nodiscard]] std::uint32_t timer() const;
  void settle();

  // Configuration.
  AcpiPmPorts ports_;

  // Dependencies.
  DrivenLine sci_;
  const Clock& clock_;
  PowerControl& power_;

  // Guest-visible state. The timer's is the host's monotonic clock.
  std::uint16_t status_ = 0;
  std::uint16_t enable_ = 0;
  std::uint16_t control_ = acpi_pm::kSciEnable;
};

}  // namespace keel
