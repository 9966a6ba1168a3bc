// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "keel/arch/x86_64/boot_params_spec.h"
#include "keel/arch/x86_64/elf_spec.h"
#include "keel/base/check.h"
#include "keel/base/little_endian.h"
#include "keel/memory/input_file.h"

// Files as a loader meets them, built byte by byte.
namespace keel::x86_64::testing {

inline InputFile as_file(std::span<const std::uint8_t> bytes, std::string name = "vmlinuz") {
  UniqueFd fd(::memfd_create(name.c_str(), MFD_CLOEXEC));
  check(::write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "memfd");
  return InputFile::from_fd(std::move(fd), std::move(name)).value();
}

inline InputFile as_file(std::string_view text, std::string name = "vmlinuz") {
  return as_file(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()), std::move(name));
}

// A file with fields to set.
struct FileBytes {
  std::vector<std::uint8_t> bytes;

  template <typename T>
  FileBytes& set(std::size_t offset, T value) {
    store_le_at(std::span(bytes), offset, value);
    return *this;
  }
  [[nodiscard]] InputFile file() const { return as_file(bytes); }
};

inline constexpr std::uint64_t kBzImageStart = 0x100'0000;
inline constexpr std::uint32_t kBzImageInitSize = 0x20'0000;
inline constexpr std::size_t kBzImagePayload = 0x400;  // its offset in the file
inline constexpr std::size_t kBzImagePayloadSize = 0x410;

// One setup sector and a payload of 0, 1, 2, … that is loaded at 16 MiB.
inline FileBytes make_bzimage() {
  FileBytes file = {std::vector<std::uint8_t>(kBzImagePayload + kBzImagePayloadSize)};
  for (std::size_t i = 0; i < kBzImagePayloadSize; ++i) file.bytes[kBzImagePayload + i] = static_cast<std::uint8_t>(i);
  file.bytes[0x1ef] = 0xff;  // the sentinel, which tells a kernel of loaders that copy too much
  file.set<std::uint8_t>(boot_params::kSetupSects, 1)
      .set<std::uint32_t>(boot_params::kSyssize, kBzImagePayloadSize / 16)
      .set(boot_params::kBootFlag, boot_params::kBootFlagMagic)
      .set<std::uint16_t>(boot_params::kJump, 0x66eb)
      .set(boot_params::kHeader, boot_params::kHeaderMagic)
      .set<std::uint16_t>(boot_params::kVersion, 0x020f)
      .set(boot_params::kLoadflags, boot_params::kLoadedHigh)
      .set<std::uint32_t>(boot_params::kInitrdAddrMax, 0x7fff'ffff)
      .set<std::uint32_t>(boot_params::kKernelAlignment, 0x20'0000)
      .set(boot_params::kXloadflags, boot_params::kXlfKernel64)
      .set<std::uint32_t>(boot_params::kCmdlineSize, 2047)
      .set<std::uint64_t>(boot_params::kPrefAddress, kBzImageStart)
      .set<std::uint32_t>(boot_params::kInitSize, kBzImageInitSize)
      .set<std::uint64_t>(0x280, 0xeeee'eeee'eeee'eeee);  // code behind the setup header
  return file;
}

struct ElfSegment {
  std::uint64_t physical_address;
  std::uint64_t offset;
  std::uint64_t file_size;
  std::uint64_t memory_size;
  std::uint32_t type = elf::program_header::kLoad;
};

inline constexpr std::size_t kElfTable = elf::kHeaderSize;

// Offset in the file of a field of the segment of that index.
constexpr std::size_t segment_field(std::size_t index, std::size_t field) {
  return kElfTable + index * elf::program_header::kSize + field;
}

// An executable of `size` bytes 0, 1, 2, … in all, whose headers are those given.
inline FileBytes make_elf(std::uint64_t entry, std::span<const ElfSegment> segments, std::size_t size = 0x3000) {
  FileBytes file = {std::vector<std::uint8_t>(size)};
  for (std::size_t i = 0; i < size; ++i) file.bytes[i] = static_cast<std::uint8_t>(i);
  file.set(0, elf::kMagic)
      .set(elf::kClass, elf::kClass64)
      .set(elf::kData, elf::kLittleEndian)
      .set(elf::kType, elf::kExecutable)
      .set(elf::kMachine, elf::kMachineX86_64)
      .set(elf::kEntry, entry)
      .set<std::uint64_t>(elf::kProgramHeaderOffset, kElfTable)
      .set<std::uint16_t>(elf::kProgramHeaderSize, elf::program_header::kSize)
      .set(elf::kProgramHeaderCount, static_cast<std::uint16_t>(segments.size()));
  for (std::size_t i = 0; i < segments.size(); ++i) {
    file.set(segment_field(i, elf::program_header::kType), segments[i].type)
        .set(segment_field(i, elf::program_header::kOffset), segments[i].offset)
        .set(segment_field(i, elf::program_header::kPhysicalAddress), segments[i].physical_address)
        .set(segment_field(i, elf::program_header::kFileSize), segments[i].file_size)
        .set(segment_field(i, elf::program_header::kMemorySize), segments[i].memory_size);
  }
  return file;
}

}  // namespace keel::x86_64::testing
