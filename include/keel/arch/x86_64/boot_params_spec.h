// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>

// struct boot_params, the "zero page", and struct setup_header within it: byte offsets, in their order. The header is
// at the same offsets in a bzImage. All fields are little-endian. Source: Documentation/arch/x86/boot.rst ("The
// Real-Mode Kernel Header") and zero-page.rst.
namespace keel::x86_64::boot_params {

inline constexpr std::size_t kSize = 0x1000;

inline constexpr std::size_t kAcpiRsdpAddr = 0x070;  // 8 bytes
inline constexpr std::size_t kE820Entries = 0x1e8;   // 1 byte

// The setup header. What follows kBootFlag is there where kHeader says so.
inline constexpr std::size_t kSetupSects = 0x1f1;         // 1 byte, 512-byte sectors after the first; 0 means 4
inline constexpr std::size_t kSyssize = 0x1f4;            // 4 bytes, 16-byte paragraphs of protected-mode code
inline constexpr std::size_t kVidMode = 0x1fa;            // 2 bytes
inline constexpr std::size_t kBootFlag = 0x1fe;           // 2 bytes, 0xaa55
inline constexpr std::size_t kJump = 0x200;               // 2 bytes: a short jump, whose distance ends the header
inline constexpr std::size_t kHeader = 0x202;             // 4 bytes, "HdrS"
inline constexpr std::size_t kVersion = 0x206;            // 2 bytes, major << 8 | minor
inline constexpr std::size_t kTypeOfLoader = 0x210;       // 1 byte
inline constexpr std::size_t kLoadflags = 0x211;          // 1 byte
inline constexpr std::size_t kRamdiskImage = 0x218;       // 4 bytes
inline constexpr std::size_t kRamdiskSize = 0x21c;        // 4 bytes
inline constexpr std::size_t kCmdLinePtr = 0x228;         // 4 bytes
inline constexpr std::size_t kInitrdAddrMax = 0x22c;      // 4 bytes, the last byte an initrd may occupy
inline constexpr std::size_t kKernelAlignment = 0x230;    // 4 bytes
inline constexpr std::size_t kXloadflags = 0x236;         // 2 bytes
inline constexpr std::size_t kCmdlineSize = 0x238;        // 4 bytes, without the terminating zero
inline constexpr std::size_t kSetupData = 0x250;          // 8 bytes, a linked list
inline constexpr std::size_t kPrefAddress = 0x258;        // 8 bytes
inline constexpr std::size_t kInitSize = 0x260;           // 4 bytes
inline constexpr std::size_t kSetupHeaderMinEnd = 0x264;  // of the least version Keel loads
inline constexpr std::size_t kSetupHeaderMaxEnd = 0x290;  // where the zero page has other things

inline constexpr std::size_t kE820Table = 0x2d0;
inline constexpr std::size_t kE820EntrySize = 20;  // address 8, size 8, type 4
inline constexpr std::size_t kE820MaxEntries = 128;

inline constexpr std::uint16_t kBootFlagMagic = 0xaa55;
inline constexpr std::uint32_t kHeaderMagic = 0x5372'6448;  // "HdrS"
inline constexpr std::uint16_t kMinVersion = 0x020c;        // Linux 3.8: xloadflags
inline constexpr std::uint16_t kCurrentVersion = 0x020f;    // Linux 5.5
inline constexpr std::uint8_t kLoaderUndefined = 0xff;      // a loader without an assigned number
inline constexpr std::uint8_t kLoadedHigh = 1u << 0;        // loadflags
inline constexpr std::uint16_t kXlfKernel64 = 1u << 0;      // xloadflags
inline constexpr std::uint16_t kVidModeNormal = 0xffff;

}  // namespace keel::x86_64::boot_params
