// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/linux_boot.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/arch/x86_64/kernel_files.h"
#include "keel/arch/x86_64/e820.h"
#include "keel/arch/x86_64/memory_map.h"
#include "keel/base/little_endian.h"

namespace keel::x86_64 {
namespace {

using testing::as_file;
using ::testing::HasSubstr;
using testing::make_bzimage;

// Ends at 18 MiB, the same size as its file says.
constexpr GuestRange kKernelRange = GuestRange::constant(0x100'0000, 0x11f'ffff);

GuestMemory memory_of(std::uint64_t size) {
  return GuestMemory::create(ram_ranges(size)).value();
}

KernelImage kernel_image() {
  return {.range = kKernelRange,
          .entry = kKernelRange.first(),
          .initrd_last = GuestAddress(0x7fff'ffff),
          .command_line_size = 2047,
          .setup_header = {}};
}

InputFile initrd_of(std::size_t size) {
  return as_file(std::string(size, 'i'), "initrd");
}

template <typename T>
T zero_page(const GuestMemory& memory, std::size_t offset) {
  return memory.read_object<T>(GuestAddress(kBootParams.value() + offset)).value();
}

TEST(LinuxBoot, PutsEverythingWhereTheZeroPageSays) {
  const auto memory = memory_of(512 * kMiB);
  const auto kernel = make_bzimage().set<std::uint64_t>(boot_params::kSetupData, 0x1234).file();
  const auto initrd = initrd_of(0x1801);
  const auto loaded = load_linux(memory, {.kernel = kernel,
                                          .initrd = &initrd,
                                          .command_line = "console=ttyS0 panic=-1",
                                          .acpi_rsdp = GuestAddress(0xe'0000)});
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message();
  EXPECT_EQ(loaded->boot.entry, GuestAddress(testing::kBzImageStart + 0x200));
  EXPECT_EQ(loaded->boot.boot_params, kBootParams);

  EXPECT_EQ(zero_page<std::uint32_t>(memory, boot_params::kHeader), boot_params::kHeaderMagic);
  EXPECT_EQ(zero_page<std::uint8_t>(memory, boot_params::kTypeOfLoader), 0xff);
  EXPECT_EQ(zero_page<std::uint8_t>(memory, 0x1ef), 0) << "the sentinel says that the page was made with care";
  EXPECT_EQ(zero_page<std::uint64_t>(memory, boot_params::kSetupData), 0u) << "a list of whatever was in the file";
  EXPECT_EQ(zero_page<std::uint64_t>(memory, boot_params::kAcpiRsdpAddr), 0xe'0000u);

  const auto ramdisk = zero_page<std::uint32_t>(memory, boot_params::kRamdiskImage);
  EXPECT_EQ(ramdisk, 512 * kMiB - 0x2000);
  EXPECT_EQ(zero_page<std::uint32_t>(memory, boot_params::kRamdiskSize), 0x1801u);
  const auto bytes = memory.slice(GuestAddress(ramdisk), 0x1802).value();
  EXPECT_TRUE(std::ranges::all_of(bytes.first(0x1801), [](std::uint8_t byte) { return byte == 'i'; }));
  EXPECT_EQ(bytes[0x1801], 0);

  const auto text = zero_page<std::uint32_t>(memory, boot_params::kCmdLinePtr);
  EXPECT_STREQ(reinterpret_cast<const char*>(memory.slice(GuestAddress(text), 64)->data()), "console=ttyS0 panic=-1");
}

TEST(LinuxBoot, TheMemoryMapIsE820s) {
  const auto memory = memory_of(4 * kGiB);
  ASSERT_TRUE(write_zero_page(memory, kernel_image(), std::nullopt, std::nullopt).has_value());
  const auto map = e820_map(ram_ranges(4 * kGiB));
  ASSERT_EQ(zero_page<std::uint8_t>(memory, boot_params::kE820Entries), map.size());
  for (std::size_t i = 0; i < map.size(); ++i) {
    const std::size_t entry = boot_params::kE820Table + 20 * i;
    EXPECT_EQ(zero_page<std::uint64_t>(memory, entry), map[i].range.first().value());
    EXPECT_EQ(zero_page<std::uint64_t>(memory, entry + 8), map[i].range.size());
    EXPECT_EQ(zero_page<std::uint32_t>(memory, entry + 16), static_cast<std::uint32_t>(map[i].type));
  }
}

TEST(LinuxBoot, WithoutInitrdAndRsdpTheirFieldsAreZero) {
  const auto memory = memory_of(32 * kMiB);
  const auto kernel = make_bzimage().set<std::uint32_t>(boot_params::kRamdiskImage, 0x1234).file();
  ASSERT_TRUE(load_linux(memory, {.kernel = kernel, .command_line = ""}).has_value());
  EXPECT_EQ(zero_page<std::uint32_t>(memory, boot_params::kRamdiskImage), 0u);
  EXPECT_EQ(zero_page<std::uint32_t>(memory, boot_params::kRamdiskSize), 0u);
  EXPECT_EQ(zero_page<std::uint64_t>(memory, boot_params::kAcpiRsdpAddr), 0u);
}

TEST(LinuxBoot, MoreRegionsThanTheZeroPageHoldsAreAnError) {
  std::vector<GuestRange> ranges = ram_ranges(2 * kMiB);
  for (std::uint64_t i = 0; i < 130; ++i)
    ranges.push_back(GuestRange::from_size(GuestAddress(4 * kGiB + i * 0x2000), 0x1000).value());
  const auto written = write_zero_page(GuestMemory::create(ranges).value(), kernel_image(), std::nullopt, std::nullopt);
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().message(), "the zero page holds 128 pieces of memory, and the machine has 134");
}

TEST(Initrd, FillsTheRoomAboveTheKernelToTheLastPage) {
  const auto memory = memory_of(19 * kMiB);
  const auto range = load_initrd(memory, initrd_of(kMiB), kernel_image());
  ASSERT_TRUE(range.has_value()) << range.error().message();
  EXPECT_EQ(*range, GuestRange::constant(0x120'0000, 0x12f'ffff));
}

TEST(Initrd, OneByteMoreSaysHowMuchMemoryWouldDoAndThatMuchDoes) {
  const auto refused = load_initrd(memory_of(19 * kMiB), initrd_of(kMiB + 1), kernel_image());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kExhausted);
  EXPECT_EQ(refused.error().message(),
            "initrd: an initrd of 0x100001 bytes does not fit above the kernel at [0x1000000, 0x11fffff] in 19 MiB; "
            "20 MiB would do");
  EXPECT_TRUE(load_initrd(memory_of(20 * kMiB), initrd_of(kMiB + 1), kernel_image()).has_value());
}

TEST(Initrd, StaysBelowWhatTheKernelAllowsAndBelowTheHole) {
  const auto initrd = initrd_of(0x1000);
  EXPECT_EQ(load_initrd(memory_of(4 * kGiB), initrd, kernel_image())->first(), GuestAddress(0x7fff'f000));
  KernelImage greedy = kernel_image();
  greedy.initrd_last = GuestAddress(0xffff'ffff);
  EXPECT_EQ(load_initrd(memory_of(4 * kGiB), initrd, greedy)->first(), GuestAddress(0xbfff'f000));
  greedy.initrd_last = GuestAddress(0x2ff'f7ff);
  EXPECT_EQ(load_initrd(memory_of(4 * kGiB), initrd, greedy)->first(), GuestAddress(0x2ff'e000));
}

TEST(Initrd, AKernelThatAllowsNoneAboveItselfSaysSo) {
  for (const std::uint64_t limit : {0u, 0x11f'ffffu, 0x120'0ffeu}) {
    KernelImage kernel = kernel_image();
    kernel.initrd_last = GuestAddress(limit);
    const auto refused = load_initrd(memory_of(4 * kGiB), initrd_of(0x1000), kernel);
    ASSERT_FALSE(refused.has_value());
    EXPECT_THAT(refused.error().message(), HasSubstr(fmt::format("takes an initrd up to {:#x} only", limit)));
  }
}

TEST(Initrd, AnEmptyFileIsAnError) {
  const auto refused = load_initrd(memory_of(32 * kMiB), initrd_of(0), kernel_image());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message(), "initrd: an empty file is no initrd");
}

TEST(CommandLine, MayBeAsLongAsTheKernelSaysAndNotLonger) {
  const auto memory = memory_of(2 * kMiB);
  EXPECT_TRUE(write_command_line(memory, std::string(2047, 'x'), kernel_image()).has_value());
  const auto refused = write_command_line(memory, std::string(2048, 'x'), kernel_image());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message(), "the command line has 2048 characters; this kernel takes 2047");

  KernelImage boundless = kernel_image();
  boundless.command_line_size = ~0u;
  EXPECT_FALSE(write_command_line(memory, std::string(kCommandLine.size(), 'x'), boundless).has_value());
  EXPECT_TRUE(write_command_line(memory, std::string(kCommandLine.size() - 1, 'x'), boundless).has_value());
}

TEST(CommandLine, AZeroByteWithinIsAnError) {
  const auto refused = write_command_line(memory_of(2 * kMiB), std::string_view("a\0b", 3), kernel_image());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message(), "the command line has a zero byte at 1, which would end it there");
}

}  // namespace
}  // namespace keel::x86_64
