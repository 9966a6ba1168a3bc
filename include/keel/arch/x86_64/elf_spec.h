// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>

// The parts of ELF64 that a kernel loader reads: byte offsets, little-endian.
// Source: System V ABI, chapter 4 "ELF Header" and chapter 5 "Program Header"; x86-64 psABI 4.1.
namespace keel::x86_64::elf {

inline constexpr std::size_t kHeaderSize = 64;
inline constexpr std::size_t kClass = 4;                 // e_ident[EI_CLASS], 1 byte
inline constexpr std::size_t kData = 5;                  // e_ident[EI_DATA], 1 byte
inline constexpr std::size_t kType = 16;                 // e_type, 2 bytes
inline constexpr std::size_t kMachine = 18;              // e_machine, 2 bytes
inline constexpr std::size_t kEntry = 24;                // e_entry, 8 bytes
inline constexpr std::size_t kProgramHeaderOffset = 32;  // e_phoff, 8 bytes
inline constexpr std::size_t kProgramHeaderSize = 54;    // e_phentsize, 2 bytes
inline constexpr std::size_t kProgramHeaderCount = 56;   // e_phnum, 2 bytes

inline constexpr std::uint32_t kMagic = 0x464c'457f;  // 0x7f "ELF"
inline constexpr std::uint8_t kClass32 = 1;
inline constexpr std::uint8_t kClass64 = 2;
inline constexpr std::uint8_t kLittleEndian = 1;
inline constexpr std::uint16_t kExecutable = 2;
inline constexpr std::uint16_t kMachineX86_64 = 62;

namespace program_header {
inline constexpr std::size_t kSize = 56;
inline constexpr std::size_t kType = 0;              // p_type, 4 bytes
inline constexpr std::size_t kOffset = 8;            // p_offset, 8 bytes
inline constexpr std::size_t kPhysicalAddress = 24;  // p_paddr, 8 bytes
inline constexpr std::size_t kFileSize = 32;         // p_filesz, 8 bytes
inline constexpr std::size_t kMemorySize = 40;       // p_memsz, 8 bytes
inline constexpr std::uint32_t kLoad = 1;            // PT_LOAD
}  // namespace program_header

}  // namespace keel::x86_64::elf
