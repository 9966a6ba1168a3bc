// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/id_range.h"

#include <gtest/gtest.h>

#include "keel/base/address.h"

namespace keel {
namespace {

TEST(IdRange, CountsUpToTheWholeOfThirtyTwoBits) {
  const auto all = IdRange<Gsi>::constant(0, 0xffff'ffff);
  EXPECT_EQ(all.count(), 0x1'0000'0000u);
  EXPECT_EQ(all.at(0xffff'ffff), Gsi(0xffff'ffff));
  EXPECT_EQ(IdRange<std::uint8_t>::constant(0, 255).count(), 256u);
  EXPECT_EQ(IdRange<Gsi>::single(Gsi(7)).count(), 1u);
}

TEST(IdRange, RefusesWhatIsEmptyOrWraps) {
  EXPECT_EQ(IdRange<Gsi>::from_bounds(Gsi(5), Gsi(4)).error().message(), "id range [5, 4] ends before it starts");
  EXPECT_EQ(IdRange<Gsi>::from_count(Gsi(5), 0).error().message(), "a run of ids at 5 of count 0 holds no id");
  EXPECT_EQ(IdRange<std::uint8_t>::from_count(200, 57).error().message(), "57 ids from 200 pass the last id (255)");
  EXPECT_FALSE(IdRange<Gsi>::from_count(Gsi(1), ~0ull).has_value());
  EXPECT_EQ(IdRange<std::uint8_t>::from_count(200, 56)->last(), 255);
}

TEST(IdRange, ContainsAndOverlapsDiffer) {
  const auto pins = IdRange<Gsi>::constant(5, 23);
  EXPECT_TRUE(pins.contains(Gsi(5)));
  EXPECT_TRUE(pins.contains(Gsi(23)));
  EXPECT_FALSE(pins.contains(Gsi(24)));
  EXPECT_TRUE(pins.overlaps(IdRange<Gsi>::constant(23, 30)));
  EXPECT_FALSE(pins.contains(IdRange<Gsi>::constant(23, 30)));
  EXPECT_TRUE(pins.contains(IdRange<Gsi>::constant(6, 23)));
  EXPECT_FALSE(pins.overlaps(IdRange<Gsi>::constant(24, 30)));
}

TEST(IdRange, IsWrittenAsOneIdOrClosed) {
  EXPECT_EQ(fmt::format("{} {}", IdRange<Gsi>::single(Gsi(4)), IdRange<Gsi>::constant(4, 5)), "4 [4, 5]");
}

}  // namespace
}  // namespace keel
