// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/kernel_image.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/arch/x86_64/kernel_files.h"
#include "keel/arch/x86_64/memory_map.h"

namespace keel::x86_64 {
namespace {

using testing::as_file;
using testing::ElfSegment;
using testing::FileBytes;
using ::testing::HasSubstr;
using testing::make_bzimage;
using testing::make_elf;
using testing::segment_field;

GuestMemory memory_of(std::uint64_t size) {
  return GuestMemory::create(ram_ranges(size)).value();
}

std::uint8_t byte_at(const GuestMemory& memory, std::uint64_t address) {
  return memory.read_object<std::uint8_t>(GuestAddress(address)).value();
}

Error load_error(const InputFile& file, std::uint64_t memory_size = 32 * kMiB) {
  const auto memory = memory_of(memory_size);
  auto image = load_kernel(memory, file);
  return image ? Error(ErrorCode::kIo, "no error") : image.error();
}

// What load_kernel says of a file, without its name.
std::string refusal(std::string_view text) {
  const std::string message = load_error(as_file(text, "file")).message();
  const std::string_view intro = "file: not a Linux kernel (a bzImage, or an ELF vmlinux, for x86-64), but ";
  return message.starts_with(intro) ? message.substr(intro.size()) : "unexpected: " + message;
}

TEST(KernelImage, WhatIsNoKernelIsCalledWhatItIs) {
  EXPECT_EQ(refusal(""), "an empty file");
  EXPECT_EQ(refusal("#!/bin/sh\necho hello\n"), "text that starts with '#!/bin/sh'");
  EXPECT_EQ(refusal("x"), "text that starts with 'x'");
  EXPECT_EQ(refusal("\x1f\x8b\x08"), "gzip data; unpack it first");
  EXPECT_EQ(refusal("\x28\xb5\x2f\xfd"), "zstd data; unpack it first");
  EXPECT_EQ(refusal("\xfd"
                    "7zXZ"),
            "xz data; unpack it first");
  EXPECT_EQ(refusal("070701000000"), "a cpio archive, as an initrd is");
  EXPECT_EQ(refusal("!<arch>\ndebian-binary"), "an ar archive, as a Debian package is");
  EXPECT_EQ(refusal("MZ program"), "a PE program without a Linux setup header");
  EXPECT_EQ(refusal("MZ" + std::string(54, 'x') + "ARM\x64 and more"), "a kernel for arm64");
  EXPECT_EQ(refusal("\x01\x02\x7f"), "data that starts with 01 02 7f");
  EXPECT_EQ(load_error(as_file("text")).code(), ErrorCode::kUnsupported);
}

TEST(KernelImage, TerminalControlInAFileStaysInTheFile) {
  EXPECT_EQ(refusal("\x1b[2J"), "data that starts with 1b 5b 32 4a");
}

TEST(BzImage, IsLoadedAtItsPreferredAddress) {
  const auto memory = memory_of(32 * kMiB);
  const auto image = load_kernel(memory, make_bzimage().file());
  ASSERT_TRUE(image.has_value()) << image.error().message();
  EXPECT_EQ(image->range, GuestRange::constant(0x100'0000, 0x11f'ffff));
  EXPECT_EQ(image->entry, GuestAddress(0x100'0200));
  EXPECT_EQ(image->initrd_last, GuestAddress(0x7fff'ffff));
  EXPECT_EQ(image->command_line_size, 2047u);
  for (std::size_t i = 0; i < testing::kBzImagePayloadSize; ++i)
    ASSERT_EQ(byte_at(memory, testing::kBzImageStart + i), static_cast<std::uint8_t>(i));
  EXPECT_EQ(byte_at(memory, testing::kBzImageStart + testing::kBzImagePayloadSize), 0);
}

TEST(BzImage, ItsSetupHeaderAndNothingBehindItIsForTheZeroPage) {
  const auto image = load_bzimage(memory_of(32 * kMiB), make_bzimage().file()).value();
  EXPECT_EQ(load_le_at<std::uint32_t>(image.setup_header, boot_params::kHeader - boot_params::kSetupSects),
            boot_params::kHeaderMagic);
  EXPECT_EQ(load_le_at<std::uint32_t>(image.setup_header, boot_params::kInitSize - boot_params::kSetupSects),
            testing::kBzImageInitSize);
  EXPECT_EQ(load_le_at<std::uint64_t>(image.setup_header, 0x280 - boot_params::kSetupSects), 0u);
}

TEST(BzImage, NoSetupSectorsMeanFour) {
  FileBytes file = make_bzimage();
  file.set<std::uint8_t>(boot_params::kSetupSects, 0);
  file.bytes.insert(file.bytes.begin() + testing::kBzImagePayload, 3 * 512, 0xee);
  const auto memory = memory_of(32 * kMiB);
  ASSERT_TRUE(load_bzimage(memory, file.file()).has_value());
  EXPECT_EQ(byte_at(memory, testing::kBzImageStart + 1), 1);
}

TEST(BzImage, MayEndWithinItsLastParagraphButNotBefore) {
  FileBytes file = make_bzimage();
  file.bytes.resize(file.bytes.size() - 15);
  EXPECT_EQ(load_error(file.file()).message(), "no error");
  file.bytes.resize(file.bytes.size() - 1);
  EXPECT_EQ(load_error(file.file()).message(),
            "vmlinuz: cut short: its kernel is 0x410 bytes at 0x400, and the file has 0x800");
  EXPECT_EQ(load_error(file.file()).code(), ErrorCode::kOutOfBounds);
  file.bytes.resize(0x220);
  EXPECT_EQ(load_error(file.file()).message(),
            "vmlinuz: cut short: 0x290 bytes at 0x0 are wanted, and the file has 0x220 in all");
}

TEST(BzImage, TrailingBytesAsOfASignatureAreLeftOut) {
  FileBytes file = make_bzimage();
  file.bytes.resize(file.bytes.size() + 0x1000, 0xee);
  const auto memory = memory_of(32 * kMiB);
  ASSERT_TRUE(load_bzimage(memory, file.file()).has_value());
  EXPECT_EQ(byte_at(memory, testing::kBzImageStart + testing::kBzImagePayloadSize), 0);
}

TEST(BzImage, KernelsThatCannotStartIn64BitModeSayWhy) {
  EXPECT_EQ(load_error(make_bzimage().set<std::uint16_t>(boot_params::kVersion, 0x020b).file()).message(),
            "vmlinuz: speaks version 2.11 of the boot protocol; 2.12 (Linux 3.8) is needed");
  EXPECT_EQ(load_error(make_bzimage().set<std::uint16_t>(boot_params::kXloadflags, 0x7e).file()).message(),
            "vmlinuz: a 32-bit kernel; one for x86-64 is needed");
  EXPECT_EQ(load_error(make_bzimage().set<std::uint8_t>(boot_params::kLoadflags, 0x80).file()).message(),
            "vmlinuz: a zImage, for loading below 1 MiB; a bzImage is needed");
  EXPECT_EQ(load_error(make_bzimage().set<std::uint16_t>(boot_params::kBootFlag, 0).file()).message(),
            "vmlinuz: not a bzImage: it has no Linux setup header");
  EXPECT_EQ(load_error(make_bzimage().set<std::uint16_t>(boot_params::kJump, 0x10eb).file()).message(),
            "vmlinuz: its setup header ends at 0x212; version 2.15 goes to 0x264");
  EXPECT_EQ(load_error(make_bzimage().set<std::uint32_t>(boot_params::kSyssize, 0x20).file()).message(),
            "vmlinuz: its kernel of 0x200 bytes ends before the 64-bit entry at 0x200");
}

TEST(BzImage, TooLittleMemorySaysHowMuchWouldDoAndThatMuchDoes) {
  const Error error = load_error(make_bzimage().file(), 17 * kMiB);
  EXPECT_EQ(error.code(), ErrorCode::kExhausted);
  EXPECT_EQ(error.message(),
            "vmlinuz: the kernel needs RAM at [0x1000000, 0x11fffff], and the machine has 17 MiB; 18 MiB would do");
  EXPECT_EQ(load_error(make_bzimage().file(), 18 * kMiB).message(), "no error");
}

TEST(BzImage, HostileAddressesAndSizesAreErrors) {
  for (const std::uint64_t start :
       {std::uint64_t{0}, std::uint64_t{0x9000}, std::uint64_t{0xf'ffff}, std::uint64_t{0xbfff'f000}, 4 * kGiB,
        ~std::uint64_t{0}, ~std::uint64_t{0} - 0x1f'ffff}) {
    const Error error = load_error(make_bzimage().set(boot_params::kPrefAddress, start).file());
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.message();
    EXPECT_THAT(error.message(), HasSubstr("which are not within [0x100000, 0xbfffffff]"));
  }
  EXPECT_EQ(load_error(make_bzimage().set(boot_params::kInitSize, ~0u).file()).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(load_error(make_bzimage().set(boot_params::kSyssize, ~0u).file()).code(), ErrorCode::kOutOfBounds);
  EXPECT_EQ(load_error(make_bzimage().set(boot_params::kInitSize, 0u).file()).message(), "no error");
}

// Two segments with a gap, the second with a bss, and a note that is not to be loaded.
constexpr std::array kSegments = {
    ElfSegment{.physical_address = 0x100'0000, .offset = 0x1000, .file_size = 0x800, .memory_size = 0x800},
    ElfSegment{.physical_address = 0x100'2000, .offset = 0x2000, .file_size = 0x10, .memory_size = 0x3000},
    ElfSegment{.physical_address = 0, .offset = 0, .file_size = ~0ull, .memory_size = ~0ull, .type = 4},
};
constexpr std::uint64_t kElfEntry = 0x100'0040;

FileBytes make_vmlinux() {
  return make_elf(kElfEntry, kSegments);
}

FileBytes elf_with(std::size_t segment, std::size_t field, std::uint64_t value) {
  return make_vmlinux().set(segment_field(segment, field), value);
}

TEST(ElfKernel, IsLoadedAtItsPhysicalAddresses) {
  const auto memory = memory_of(32 * kMiB);
  const auto image = load_kernel(memory, make_vmlinux().file());
  ASSERT_TRUE(image.has_value()) << image.error().message();
  EXPECT_EQ(image->range, GuestRange::constant(0x100'0000, 0x100'4fff));
  EXPECT_EQ(image->entry, GuestAddress(kElfEntry));
  EXPECT_EQ(image->command_line_size, 2047u);
  for (std::uint64_t i = 0; i < 0x800; ++i)
    ASSERT_EQ(byte_at(memory, 0x100'0000 + i), static_cast<std::uint8_t>(0x1000 + i));
  EXPECT_EQ(byte_at(memory, 0x100'0800), 0);
  EXPECT_EQ(byte_at(memory, 0x100'200f), 0x0f);
  EXPECT_EQ(byte_at(memory, 0x100'2010), 0);
}

TEST(ElfKernel, TheWrongKindOfElfFileSaysWhichItIs) {
  EXPECT_EQ(load_error(make_vmlinux().set(elf::kClass, elf::kClass32).file()).message(),
            "vmlinuz: a 32-bit ELF file; a kernel for x86-64 is needed");
  EXPECT_EQ(load_error(make_vmlinux().set<std::uint8_t>(elf::kData, 2).file()).message(),
            "vmlinuz: an ELF file of class 2 and byte order 2; x86-64 has 2 and 1");
  EXPECT_EQ(load_error(make_vmlinux().set<std::uint16_t>(elf::kMachine, 183).file()).message(),
            "vmlinuz: an ELF file for machine 183 (arm64); x86-64 is 62");
  EXPECT_EQ(load_error(make_vmlinux().set<std::uint16_t>(elf::kType, 1).file()).message(),
            "vmlinuz: an ELF file of type 1, as an object, a module or a library is; a kernel is an executable (2)");
  EXPECT_EQ(load_elf_kernel(memory_of(32 * kMiB), make_bzimage().file()).error().message(), "vmlinuz: not an ELF file");
}

TEST(ElfKernel, AnEntryOutsideItsSegmentsIsAnError) {
  for (const std::uint64_t entry :
       {std::uint64_t{0}, std::uint64_t{0x100'1000}, std::uint64_t{0xffff'ffff'8100'0000}}) {
    const Error error = load_error(make_elf(entry, kSegments).file());
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.message(), HasSubstr("is in none of its segments, which are at [0x1000000, 0x1004fff]"));
  }
}

TEST(ElfKernel, HostileProgramHeadersAreErrors) {
  using namespace elf::program_header;
  EXPECT_EQ(load_error(elf_with(0, kOffset, 0x2c00).file()).code(), ErrorCode::kOutOfBounds);
  EXPECT_EQ(load_error(elf_with(0, kOffset, ~0ull).file()).code(), ErrorCode::kOutOfBounds);
  EXPECT_EQ(load_error(elf_with(0, kFileSize, ~0ull).file()).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(load_error(elf_with(0, kMemorySize, ~0ull).file()).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(load_error(elf_with(0, kMemorySize, 0x7ff).file()).message(),
            "vmlinuz: program header 0 has 0x800 bytes in the file for 0x7ff of memory");
  for (const std::uint64_t address : {0ull, 0x9000ull, 0xf'ffffull, 0xbfff'ffffull, 0x1'0000'0000ull, ~0ull}) {
    const Error error = load_error(elf_with(1, kPhysicalAddress, address).file());
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.message();
  }
  EXPECT_EQ(load_error(elf_with(1, kPhysicalAddress, 0x1ff'f000).file()).message(),
            "vmlinuz: the kernel needs RAM at [0x1000000, 0x2001fff], and the machine has 32 MiB; 33 MiB would do");
}

TEST(ElfKernel, HostileTablesAreErrors) {
  EXPECT_EQ(load_error(make_vmlinux().set<std::uint16_t>(elf::kProgramHeaderCount, 0xffff).file()).message(),
            "vmlinuz: 65535 program headers of 56 bytes; a kernel has at most 128 of 56");
  EXPECT_EQ(load_error(make_vmlinux().set<std::uint16_t>(elf::kProgramHeaderSize, 0).file()).code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(load_error(make_vmlinux().set<std::uint64_t>(elf::kProgramHeaderOffset, ~0ull).file()).code(),
            ErrorCode::kOutOfBounds);
  EXPECT_EQ(load_error(make_vmlinux().set<std::uint16_t>(elf::kProgramHeaderCount, 0).file()).message(),
            "vmlinuz: an ELF file with nothing to load");
  FileBytes cut = make_vmlinux();
  cut.bytes.resize(40);
  EXPECT_EQ(load_error(cut.file()).code(), ErrorCode::kOutOfBounds);
}

}  // namespace
}  // namespace keel::x86_64
