// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/e820.h"

#include <gtest/gtest.h>

#include "keel/arch/x86_64/memory_map.h"

namespace keel::x86_64 {

void PrintTo(const E820Entry& entry, std::ostream* out) {
  *out << fmt::format("{} type {}", entry.range, static_cast<unsigned>(entry.type));
}

namespace {

TEST(E820, AMachineBelowTheHole) {
  EXPECT_EQ(e820_map(ram_ranges(512 * kMiB)), (std::vector<E820Entry>{
                                                  {GuestRange::constant(0, 0x9'fbff), E820Type::kRam},
                                                  {GuestRange::constant(0x9'fc00, 0xf'ffff), E820Type::kReserved},
                                                  {GuestRange::constant(0x10'0000, 0x1fff'ffff), E820Type::kRam},
                                                  {GuestRange::constant(0xfffb'c000, 0xffff'ffff), E820Type::kReserved},
                                              }));
}

TEST(E820, AMachineAroundTheHole) {
  EXPECT_EQ(e820_map(ram_ranges(4 * kGiB)), (std::vector<E820Entry>{
                                                {GuestRange::constant(0, 0x9'fbff), E820Type::kRam},
                                                {GuestRange::constant(0x9'fc00, 0xf'ffff), E820Type::kReserved},
                                                {GuestRange::constant(0x10'0000, 0xbfff'ffff), E820Type::kRam},
                                                {GuestRange::constant(0xfffb'c000, 0xffff'ffff), E820Type::kReserved},
                                                {GuestRange::constant(0x1'0000'0000, 0x1'3fff'ffff), E820Type::kRam},
                                            }));
}

TEST(E820, NothingOverlapsAndAllRamBeyondTheLegacyAreaIsUsable) {
  for (const std::uint64_t size : {kMinMemory, 3 * kGiB, 3 * kGiB + 0x1000, 64 * kGiB}) {
    const auto map = e820_map(ram_ranges(size));
    std::uint64_t usable = 0;
    for (std::size_t i = 0; i < map.size(); ++i) {
      if (i > 0) {
        EXPECT_LT(map[i - 1].range.last(), map[i].range.first());
      }
      if (map[i].type == E820Type::kRam) usable += map[i].range.size();
    }
    EXPECT_EQ(usable, size - kLegacyArea.size());
  }
}

}  // namespace
}  // namespace keel::x86_64
