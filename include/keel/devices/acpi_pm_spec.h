// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>

// ACPI fixed hardware registers: ACPI Specification 6.5, section 4.8.3.
namespace keel::acpi_pm {

// Lengths of the register blocks, for the bus and for the FADT (PM1_EVT_LEN, PM1_CNT_LEN, PM_TMR_LEN).
inline constexpr std::uint8_t kPm1EventBlockSize = 4;
inline constexpr std::uint8_t kPm1ControlBlockSize = 2;
inline constexpr std::uint8_t kTimerBlockSize = 4;

// 4.8.3.1.1 PM1 status; writing a one clears the bit
inline constexpr std::uint16_t kPowerButtonStatus = 1 << 8;

// 4.8.3.1.2 PM1 enable
inline constexpr std::uint16_t kTimerEnable = 1 << 0;
inline constexpr std::uint16_t kGlobalEnable = 1 << 5;
inline constexpr std::uint16_t kPowerButtonEnable = 1 << 8;
inline constexpr std::uint16_t kSleepButtonEnable = 1 << 9;
inline constexpr std::uint16_t kRtcEnable = 1 << 10;
inline constexpr std::uint16_t kEnableBits =
    kTimerEnable | kGlobalEnable | kPowerButtonEnable | kSleepButtonEnable | kRtcEnable;

// 4.8.3.2.1 PM1 control
inline constexpr std::uint16_t kSciEnable = 1 << 0;
inline constexpr std::uint16_t kBusMasterReload = 1 << 1;
inline constexpr unsigned kSleepTypeShift = 10;
inline constexpr std::uint16_t kSleepTypeMask = 7 << kSleepTypeShift;
inline constexpr std::uint16_t kSleepEnable = 1 << 13;

// SLP_TYPa of soft off, for the DSDT's \_S5 object (7.4.2). Any value would do: it means something here and there only.
inline constexpr std::uint8_t kS5SleepType = 5;

// 4.8.3.3 Power management timer
inline constexpr std::uint64_t kTimerHz = 3'579'545;

}  // namespace keel::acpi_pm
