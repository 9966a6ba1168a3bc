// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "keel/base/range.h"

// Motorola MC146818A, real-time clock plus RAM, 1984, as the PC wires it.
namespace keel::mc146818 {

// The PC's two ports: index (bits 0 to 6; bit 7 masks NMI), then data.
inline constexpr PioRange kPorts = PioRange::constant(0x70, 0x71);
inline constexpr std::uint16_t kIndexOffset = 0;
inline constexpr std::uint16_t kDataOffset = 1;
inline constexpr std::uint8_t kIndexMask = 0x7f;
inline constexpr std::size_t kRamSize = 128;

// Time, calendar and alarm locations
inline constexpr std::uint8_t kSeconds = 0x00;
inline constexpr std::uint8_t kSecondsAlarm = 0x01;
inline constexpr std::uint8_t kMinutes = 0x02;
inline constexpr std::uint8_t kMinutesAlarm = 0x03;
inline constexpr std::uint8_t kHours = 0x04;
inline constexpr std::uint8_t kHoursAlarm = 0x05;
inline constexpr std::uint8_t kDayOfWeek = 0x06;  // Sunday is 1
inline constexpr std::uint8_t kDayOfMonth = 0x07;
inline constexpr std::uint8_t kMonth = 0x08;  // January is 1
inline constexpr std::uint8_t kYear = 0x09;   // of the century
// Not Motorola's: where PCs keep the century, and what the FADT's CENTURY field (ACPI 6.5, 5.2.9) then says.
inline constexpr std::uint8_t kCentury = 0x32;
// In hours of the 12-hour format.
inline constexpr std::uint8_t kPm = 0x80;

// Register A
inline constexpr std::uint8_t kRegisterA = 0x0a;
inline constexpr std::uint8_t kUpdateInProgress = 0x80;
inline constexpr std::uint8_t kDivider32kHz = 0x20;
inline constexpr std::uint8_t kRate1024Hz = 0x06;
// From the rise of update-in-progress to the end of the update, with the 32.768 kHz time base: 244 µs of warning and
// 1984 µs of update.
inline constexpr std::chrono::microseconds kUpdateTime{244 + 1984};

// Register B
inline constexpr std::uint8_t kRegisterB = 0x0b;
inline constexpr std::uint8_t k24Hours = 0x02;
inline constexpr std::uint8_t kBinary = 0x04;
inline constexpr std::uint8_t kSet = 0x80;

// Register C: interrupt flags
inline constexpr std::uint8_t kRegisterC = 0x0c;

// Register D
inline constexpr std::uint8_t kRegisterD = 0x0d;
inline constexpr std::uint8_t kValidRamAndTime = 0x80;

}  // namespace keel::mc146818
