// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "keel/bus/device_io.h"
#include "keel/devices/driven_line.h"
#include "keel/devices/i8042_spec.h"
#include "keel/devices/power_control.h"
#include "keel/interrupt/interrupt.h"

namespace keel {

// PC keyboard controller with nothing plugged in; the guest's way to reset the machine.
//
// Implements: all standard commands, controller RAM with the command byte, input and output port; reset by command 0xfe
//   and by output port bit 0. Every command that has an answer is answered at once, because drivers poll half a second
//   for it. What is sent to the keyboard or the mouse comes back as a timeout (0xfe, status bit 6), with the keyboard
//   interrupt where that is enabled, so that a driver learns at once that nobody is there.
// Leaves out: keyboard and mouse; the mouse interface, which reports a fault when tested; passwords. A20 is remembered
//   and gates nothing.
// Spec: IBM PS/2 Hardware Interface Technical Reference, October 1990, "Keyboard and Auxiliary Device Controller".
// What the guest needs: ports 0x60 and 0x64, registered as two ranges of one port (0x61 is the timer's), and IRQ 1. To
//   make Linux skip its probe, leave the 8042 flag of the FADT's IAPC_BOOT_ARCH clear and PNP0303 out of the DSDT; to
//   have it reset here, name port 0x64 and 0xfe as the FADT's reset register.
//
// Bytes of an access that fall on other ports read as ones and write nowhere. Threads: one at a time.
class I8042 final : public MutDevicePio {
 public:
  // Both must outlive the controller.
  I8042(LevelInterrupt& keyboard_interrupt, PowerControl& power) noexcept;

  void pio_read(PioAddress base, std::uint16_t offset, std::span<std::uint8_t> data) override;
  void pio_write(PioAddress base, std::uint16_t offset, std::span<const std::uint8_t> data) override;

 private:
  [[nodiscard]] std::uint8_t read_status() const noexcept;
  std::uint8_t read_data() noexcept;
  void write_command(std::uint8_t command);
  void write_data(std::uint8_t value);
  void write_output_port(std::uint8_t value);
  void answer(std::uint8_t value) noexcept;
  void answer_timeout() noexcept;
  void settle();

  // Dependencies.
  DrivenLine line_;
  PowerControl& power_;

  // Guest-visible state.
  std::array<std::uint8_t, i8042::kRamSize> ram_{};
  std::uint8_t output_port_ = i8042::kOutputNotReset | i8042::kOutputA20;
  // Status bits that follow what was written last and what was answered last.
  std::uint8_t status_ = i8042::kStatusNotInhibited;
  std::uint8_t output_buffer_ = 0;               // what the data port reads, also when it has been read before
  std::optional<std::uint8_t> waiting_command_;  // takes the next byte at the data port
};

}  // namespace keel
