// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>

#include "keel/base/clock.h"
#include "keel/bus/device_io.h"
#include "keel/devices/cmos_rtc_spec.h"

namespace keel {

// PC real-time clock and its battery-backed RAM.
//
// Implements: the host's wall-clock time, in UTC, BCD and binary, 12 and 24 hours, with a century; the SET bit, which
//   holds the time still while the guest changes it; the update cycle, whose bit is up for the 2.2 ms before each
//   second changes; RAM. A guest that sets the time keeps its distance from the host's clock.
// Leaves out:
//   - Alarm, periodic and update-ended interrupts and their flags: register C reads 0, the alarm bytes and the enable
//     bits are memory. There is no interrupt, and no timer to run for it.
//   - The divider is kept, not obeyed; daylight saving; the day of the week is the date's, what the guest writes there
//     lasts until SET is cleared.
// Spec: Motorola MC146818A, 1984.
// What the guest needs: ports 0x70 and 0x71; 0x32 in the FADT's CENTURY field.
//
// Dates that do not exist are carried over, the 31st of April to the 1st of May, so any bytes make a time; the year
// counts modulo 10000. Bytes of a wider access go to successive ports. The index port and ports beyond read as ones.
// Threads: one at a time.
class CmosRtc final : public MutDevicePio {
 public:
  // `clock` must outlive the device. The host's clock may jump, and the guest's jumps with it.
  explicit CmosRtc(const Clock& clock) noexcept;

  void pio_read(PioAddress base, std::uint16_t offset, std::span<std::uint8_t> data) override;
  void pio_write(PioAddress base, std::uint16_t offset, std::span<const std::uint8_t> data) override;

 private:
  [[nodiscard]] std::uint8_t read_ram();
  void write_ram(std::uint8_t value);
  void write_register_b(std::uint8_t value);
  [[nodiscard]] bool update_in_progress() const;
  [[nodiscard]] bool is_set() const noexcept { return (ram_[mc146818::kRegisterB] & mc146818::kSet) != 0; }
  // The guest's time, and its way into and out of the RAM, in the format that register B asks for.
  [[nodiscard]] std::chrono::sys_seconds time() const;
  void store_time();
  void load_time();
  [[nodiscard]] std::uint8_t encode(unsigned value) const noexcept;
  [[nodiscard]] int decode(std::uint8_t index) const noexcept;
  [[nodiscard]] std::uint8_t encode_hours(unsigned hours) const noexcept;
  [[nodiscard]] int decode_hours() const noexcept;

  // Dependencies.
  const Clock& clock_;

  // Guest-visible state.
  // The time locations are up to date while SET is on, and otherwise from the last access to one of them.
  std::array<std::uint8_t, mc146818::kRamSize> ram_{};
  std::chrono::seconds ahead_of_host_{0};
  std::uint8_t index_ = 0;
};

}  // namespace keel
