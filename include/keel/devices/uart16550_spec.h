// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>

// Registers of the 16550A in the order of the data sheet: National Semiconductor PC16550D, June 1995, section 8.
namespace keel::uart16550 {

inline constexpr std::uint16_t kRegisterCount = 8;
inline constexpr std::size_t kFifoDepth = 16;
// Input clock of the PC's ports; the baud rate is this / 16 / divisor.
inline constexpr std::uint32_t kClockHz = 1'843'200;

// Offsets. The first two name other registers while LCR.DLAB is set.
inline constexpr std::uint16_t kRbr = 0;  // read: receiver buffer
inline constexpr std::uint16_t kThr = 0;  // write: transmitter holding
inline constexpr std::uint16_t kDll = 0;  // DLAB: divisor latch, low
inline constexpr std::uint16_t kIer = 1;  // interrupt enable
inline constexpr std::uint16_t kDlm = 1;  // DLAB: divisor latch, high
inline constexpr std::uint16_t kIir = 2;  // read: interrupt identification
inline constexpr std::uint16_t kFcr = 2;  // write: FIFO control
inline constexpr std::uint16_t kLcr = 3;  // line control
inline constexpr std::uint16_t kMcr = 4;  // modem control
inline constexpr std::uint16_t kLsr = 5;  // line status
inline constexpr std::uint16_t kMsr = 6;  // modem status
inline constexpr std::uint16_t kScr = 7;  // scratch

// 8.1 Line control
inline constexpr std::uint8_t kLcrWordLength8 = 0x03;
inline constexpr std::uint8_t kLcrSetBreak = 0x40;
inline constexpr std::uint8_t kLcrDlab = 0x80;

// 8.4 Line status
inline constexpr std::uint8_t kLsrDataReady = 0x01;
inline constexpr std::uint8_t kLsrOverrun = 0x02;
inline constexpr std::uint8_t kLsrThrEmpty = 0x20;
inline constexpr std::uint8_t kLsrTransmitterEmpty = 0x40;

// 8.5 FIFO control
inline constexpr std::uint8_t kFcrEnable = 0x01;
inline constexpr std::uint8_t kFcrClearReceive = 0x02;
inline constexpr std::uint8_t kFcrClearTransmit = 0x04;
inline constexpr unsigned kFcrTriggerShift = 6;
inline constexpr std::uint8_t kTriggerLevels[4] = {1, 4, 8, 14};

// 8.6 Interrupt identification, highest priority first
inline constexpr std::uint8_t kIirNone = 0x01;
inline constexpr std::uint8_t kIirLineStatus = 0x06;
inline constexpr std::uint8_t kIirDataAvailable = 0x04;
inline constexpr std::uint8_t kIirCharacterTimeout = 0x0c;
inline constexpr std::uint8_t kIirThrEmpty = 0x02;
inline constexpr std::uint8_t kIirModemStatus = 0x00;
inline constexpr std::uint8_t kIirFifosEnabled = 0xc0;

// 8.7 Interrupt enable
inline constexpr std::uint8_t kIerDataAvailable = 0x01;
inline constexpr std::uint8_t kIerThrEmpty = 0x02;
inline constexpr std::uint8_t kIerLineStatus = 0x04;
inline constexpr std::uint8_t kIerModemStatus = 0x08;
inline constexpr std::uint8_t kIerBits = 0x0f;

// 8.8 Modem control
inline constexpr std::uint8_t kMcrDtr = 0x01;
inline constexpr std::uint8_t kMcrRts = 0x02;
inline constexpr std::uint8_t kMcrOut1 = 0x04;
inline constexpr std::uint8_t kMcrOut2 = 0x08;
inline constexpr std::uint8_t kMcrLoopback = 0x10;
inline constexpr std::uint8_t kMcrBits = 0x1f;

// 8.9 Modem status: what changed since the last read, and the lines themselves
inline constexpr std::uint8_t kMsrDeltaCts = 0x01;
inline constexpr std::uint8_t kMsrDeltaDsr = 0x02;
inline constexpr std::uint8_t kMsrTrailingEdgeRi = 0x04;
inline constexpr std::uint8_t kMsrDeltaDcd = 0x08;
inline constexpr std::uint8_t kMsrCts = 0x10;
inline constexpr std::uint8_t kMsrDsr = 0x20;
inline constexpr std::uint8_t kMsrRi = 0x40;
inline constexpr std::uint8_t kMsrDcd = 0x80;

}  // namespace keel::uart16550
