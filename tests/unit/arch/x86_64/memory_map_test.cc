// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/memory_map.h"

#include <gtest/gtest.h>

namespace keel::x86_64 {
namespace {

static_assert(kLegacyArea.contains(kAcpiTables));
static_assert(kLegacyArea.last().value() + 1 == kExtendedMemory.value());
static_assert(kLowRam.last().value() + 1 == kMmioWindow32.first().value());
static_assert(!kMmioWindow32.contains(kIoApic.first()) && !kMmioWindow32.contains(kLocalApic.first()));
static_assert(kBootPageTables.first() > kBootParams && kBootPageTables.last() < kCommandLine.first());
static_assert(kFirmwareArea.contains(kKvmIdentityMap) && kFirmwareArea.contains(kKvmTss));

std::string size_error(std::uint64_t size, unsigned bits = kLeastPhysicalAddressBits) {
  const auto checked = check_memory_size(size, bits);
  return checked ? "no error" : checked.error().message();
}

TEST(MemoryMap, LittleMemoryIsOneRangeBelowTheHole) {
  EXPECT_EQ(ram_ranges(512 * kMiB), std::vector{GuestRange::constant(0, 0x1fff'ffff)});
  EXPECT_EQ(ram_ranges(3 * kGiB), std::vector{kLowRam});
}

TEST(MemoryMap, WhatDoesNotFitBelowTheHoleContinuesAbove4GiB) {
  EXPECT_EQ(ram_ranges(3 * kGiB + 0x1000), (std::vector{kLowRam, GuestRange::constant(0x1'0000'0000, 0x1'0000'0fff)}));
  EXPECT_EQ(ram_ranges(8 * kGiB), (std::vector{kLowRam, GuestRange::constant(0x1'0000'0000, 0x2'3fff'ffff)}));
}

TEST(MemoryMap, TheWindowFor64BitDevicesFollowsRamAndEndsWithTheAddressSpace) {
  EXPECT_EQ(mmio_window64(512 * kMiB), MmioRange::constant(0x1'0000'0000, 0x7f'ffff'ffff));
  EXPECT_EQ(mmio_window64(3 * kGiB), MmioRange::constant(0x1'0000'0000, 0x7f'ffff'ffff));
  EXPECT_EQ(mmio_window64(3 * kGiB + 0x1000), MmioRange::constant(0x1'4000'0000, 0x7f'ffff'ffff));
  EXPECT_EQ(mmio_window64(8 * kGiB, 46), MmioRange::constant(0x2'4000'0000, 0x3fff'ffff'ffff));
  EXPECT_EQ(mmio_window64(max_memory(36), 36).size(), kMinMmioWindow64);
}

TEST(MemoryMap, RefusesAbsurdSizesAndSaysWhatWouldDo) {
  EXPECT_EQ(size_error(0), "0x0 bytes of memory are too little: a machine has at least 2 MiB");
  EXPECT_EQ(size_error(kMinMemory - 1), "0x1fffff bytes of memory are too little: a machine has at least 2 MiB");
  EXPECT_EQ(size_error(kMinMemory), "no error");
  EXPECT_EQ(size_error(kMinMemory + 1), "0x200001 bytes of memory are not whole pages; the next size up is 0x201000");
  EXPECT_EQ(size_error(max_memory(39)), "no error");
  EXPECT_EQ(size_error(max_memory(39) + 0x1000),
            "506881 MiB of memory are too much: 39 physical address bits hold at most 506880 MiB beside the devices");
  EXPECT_EQ(size_error(~0ull, 46),
            "17592186044416 MiB of memory are too much: 46 physical address bits hold at most 67091456 MiB beside the "
            "devices");
}

}  // namespace
}  // namespace keel::x86_64
