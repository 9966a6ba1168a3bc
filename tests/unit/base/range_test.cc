// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/range.h"

#include <concepts>

#include <gtest/gtest.h>

namespace keel {
namespace {

TEST(Range, RefusesSizeZeroAndWrap) {
  EXPECT_FALSE(PioRange::from_size(PioAddress(0x10), 0).has_value());
  EXPECT_FALSE(PioRange::from_size(PioAddress(0xffff), 2).has_value());
  EXPECT_FALSE(MmioRange::from_size(MmioAddress(2), ~0ull).has_value());
  EXPECT_FALSE(MmioRange::from_bounds(MmioAddress(2), MmioAddress(1)).has_value());
  const auto wrapped = PioRange::from_size(PioAddress(0xfff0), 0x20);
  ASSERT_FALSE(wrapped.has_value());
  EXPECT_EQ(wrapped.error().message(), "range at 0xfff0 of size 0x20 passes the top of the address space (0xffff)");
}

TEST(Range, MayEndAtTheTopOfTheSpace) {
  const auto top = MmioRange::from_size(MmioAddress(~0ull - 3), 4);
  ASSERT_TRUE(top.has_value());
  EXPECT_EQ(top->last(), MmioAddress::max());
  EXPECT_EQ(top->size(), 4u);
  EXPECT_TRUE(top->contains(MmioAddress::max()));
  EXPECT_EQ(MmioRange::all().last_offset(), ~0ull);
  EXPECT_EQ(MmioRange::all().size(), ~0ull);
  EXPECT_EQ(PioRange::all().size(), 0x10000u);
}

// Every pair of ranges of a space of eight addresses against counting.
TEST(Range, ContainsAndOverlapsAgreeWithCounting) {
  for (std::uint16_t a = 0; a < 8; ++a) {
    for (std::uint16_t b = a; b < 8; ++b) {
      for (std::uint16_t c = 0; c < 8; ++c) {
        for (std::uint16_t d = c; d < 8; ++d) {
          const auto x = *PioRange::from_bounds(PioAddress(a), PioAddress(b));
          const auto y = *PioRange::from_bounds(PioAddress(c), PioAddress(d));
          unsigned common = 0;
          for (std::uint16_t i = 0; i < 8; ++i) common += x.contains(PioAddress(i)) && y.contains(PioAddress(i));
          EXPECT_EQ(x.overlaps(y), common > 0);
          EXPECT_EQ(x.contains(y), common == y.size());
          EXPECT_EQ(x.intersection(y).has_value(), common > 0);
          if (common > 0) {
            EXPECT_EQ(x.intersection(y)->size(), common);
          }
        }
      }
    }
  }
}

TEST(Range, IsWrittenClosed) {
  EXPECT_EQ(fmt::format("{}", MmioRange::constant(0x1000, 0x1fff)), "[0x1000, 0x1fff]");
  EXPECT_EQ(fmt::format("{}", PioRange::single(PioAddress(0x64))), "[0x64, 0x64]");
}

static_assert(PioRange::constant(0x3f8, 0x3ff).size() == 8);
static_assert(!std::constructible_from<PioRange, PioAddress, PioAddress>, "only the named, checked makers make ranges");

}  // namespace
}  // namespace keel
