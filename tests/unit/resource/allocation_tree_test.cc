// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/detail/allocation_tree.h"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace keel::detail {
namespace {

// What inner nodes know is an upper bound that the search relies on for speed and not for its answer: a stale one would
// pass every other test.
TEST(AllocationTree, StaysConsistentThroughGrowthAndShrinking) {
  constexpr Extent kManaged{0x1000, 0x20'0000};
  AllocationTree tree(kManaged);
  std::mt19937_64 random(9);
  std::vector<Extent> taken;
  EXPECT_TRUE(tree.consistent());
  for (unsigned step = 0; step < 30'000; ++step) {
    const bool grow = step / 5000 % 2 == 0;
    if (random() % 4 == 0 ? grow : !grow) {
      if (taken.empty()) continue;
      std::swap(taken[random() % taken.size()], taken.back());
      ASSERT_TRUE(tree.release(taken.back()).has_value());
      taken.pop_back();
    } else if (random() % 8 == 0) {
      const std::uint64_t first = kManaged.first + random() % 0x1f'0000;
      const Extent extent{first, first + random() % 64};
      if (tree.take_exact(extent, 0)) taken.push_back(extent);
    } else {
      const auto order = static_cast<unsigned>(random() % 9);
      const Want want{(std::uint64_t{1} << order) - 1, order, kManaged};
      const auto at = tree.take(random() % 2 == 0 ? End::kLowest : End::kHighest, want, 0);
      if (at) taken.push_back({*at, *at + want.last_offset});
    }
    if (step % 16 == 0 || taken.size() < 40) {
      ASSERT_TRUE(tree.consistent()) << step;
    }
    ASSERT_EQ(tree.size(), taken.size());
  }
  for (const Extent extent : taken) ASSERT_TRUE(tree.release(extent).has_value());
  EXPECT_TRUE(tree.consistent());
}

TEST(AllocationTree, ReusesItsNodes) {
  AllocationTree tree({0, 0xffff});
  const auto fill = [&tree] {
    for (unsigned i = 0; i < 5000; ++i) ASSERT_EQ(tree.take(End::kLowest, {0, 0, {0, 0xffff}}, 0), i);
  };
  fill();
  const std::uint64_t memory = tree.memory();
  EXPECT_LT(memory, 5000 * 64u);
  for (unsigned round = 0; round < 3; ++round) {
    for (unsigned i = 0; i < 5000; ++i) ASSERT_TRUE(tree.release({i, i}).has_value());
    ASSERT_TRUE(tree.consistent());
    fill();
    EXPECT_EQ(tree.memory(), memory);
  }
}

}  // namespace
}  // namespace keel::detail
