// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>

#include "keel/base/address.h"

// The PC's keyboard controller as its host sees it: IBM PS/2 Hardware Interface Technical Reference, October 1990,
// "Keyboard and Auxiliary Device Controller".
namespace keel::i8042 {

// The two ports. 0x61 to 0x63 between them are not the controller's.
inline constexpr PioAddress kDataPort{0x60};
inline constexpr PioAddress kCommandPort{0x64};  // read: status; write: command

// Status register
inline constexpr std::uint8_t kStatusOutputFull = 0x01;
inline constexpr std::uint8_t kStatusInputFull = 0x02;
inline constexpr std::uint8_t kStatusSystem = 0x04;
inline constexpr std::uint8_t kStatusLastWasCommand = 0x08;
inline constexpr std::uint8_t kStatusNotInhibited = 0x10;
inline constexpr std::uint8_t kStatusAuxData = 0x20;
inline constexpr std::uint8_t kStatusTimeout = 0x40;

// Commands
inline constexpr std::uint8_t kReadRam = 0x20;   // to 0x3f: the low five bits select the byte
inline constexpr std::uint8_t kWriteRam = 0x60;  // to 0x7f
inline constexpr std::uint8_t kDisableAux = 0xa7;
inline constexpr std::uint8_t kEnableAux = 0xa8;
inline constexpr std::uint8_t kTestAux = 0xa9;
inline constexpr std::uint8_t kSelfTest = 0xaa;
inline constexpr std::uint8_t kTestKeyboard = 0xab;
inline constexpr std::uint8_t kDisableKeyboard = 0xad;
inline constexpr std::uint8_t kEnableKeyboard = 0xae;
inline constexpr std::uint8_t kReadInputPort = 0xc0;
inline constexpr std::uint8_t kReadOutputPort = 0xd0;
inline constexpr std::uint8_t kWriteOutputPort = 0xd1;
inline constexpr std::uint8_t kWriteKeyboardBuffer = 0xd2;
inline constexpr std::uint8_t kWriteAuxBuffer = 0xd3;
inline constexpr std::uint8_t kWriteAux = 0xd4;
inline constexpr std::uint8_t kPulseOutputPort = 0xf0;  // to 0xff: a clear bit pulses its line low
inline constexpr std::uint8_t kReset = 0xfe;            // kPulseOutputPort of the reset line

// Controller RAM; byte 0 is the command byte
inline constexpr std::size_t kRamSize = 32;
inline constexpr std::uint8_t kCommandKeyboardInterrupt = 0x01;
inline constexpr std::uint8_t kCommandSystem = 0x04;
inline constexpr std::uint8_t kCommandKeyboardDisabled = 0x10;
inline constexpr std::uint8_t kCommandAuxDisabled = 0x20;
inline constexpr std::uint8_t kCommandTranslate = 0x40;

// Answers
inline constexpr std::uint8_t kSelfTestPassed = 0x55;
inline constexpr std::uint8_t kInterfaceOk = 0x00;
inline constexpr std::uint8_t kInterfaceClockStuckLow = 0x01;
inline constexpr std::uint8_t kResend = 0xfe;  // with kStatusTimeout: the device did not answer

// Input port
inline constexpr std::uint8_t kInputNotInhibited = 0x80;

// Output port
inline constexpr std::uint8_t kOutputNotReset = 0x01;
inline constexpr std::uint8_t kOutputA20 = 0x02;
inline constexpr std::uint8_t kOutputKeyboardFull = 0x10;

}  // namespace keel::i8042
