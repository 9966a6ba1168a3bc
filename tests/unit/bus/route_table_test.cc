// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/bus/route_table.h"

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace keel::detail {
namespace {

Route route(std::uint64_t first, std::uint64_t last) {
  return {.first = first,
          .length = last - first + 1,
          .target = nullptr,
          .cell = 0,
          .kind = last - first == ~0ull ? Route::Kind::kEverything : Route::Kind::kRange};
}

// The levels below an index, and the slots in all of them.
std::size_t depth(const RouteIndex& index, std::size_t& slots) {
  std::size_t deepest = 0;
  slots += index.last_slot + 1;
  for (std::uint64_t i = 0; i <= index.last_slot; ++i) {
    if (index.slots[i].kind == Route::Kind::kFork) {
      deepest = std::max(deepest, depth(*static_cast<const RouteIndex*>(index.slots[i].target), slots));
    }
  }
  return deepest + 1;
}

struct Shape {
  std::size_t levels;
  std::size_t slots;
};
Shape shape(const std::vector<Route>& ranges) {
  const RouteTable table(ranges);
  const BusIndex& index = table.index();
  std::size_t slots = 0;
  if (index.segments == nullptr) return {depth(index.whole, slots), slots};
  std::size_t levels = 0;
  for (std::size_t i = 0; i < BusIndex::kSegments; ++i) levels = std::max(levels, depth(index.segments[i], slots));
  return {levels, slots};
}

// Every edge of every range and what is beside it, against looking through the list.
void expect_right(const std::vector<Route>& ranges) {
  const RouteTable table(ranges);
  std::vector<std::uint64_t> addresses{0, 1, ~0ull, ~0ull - 1, 1ull << 63, (1ull << 63) - 1};
  for (const Route& range : ranges) {
    for (const std::uint64_t edge : {range.first, range.last(), range.first + range.length / 2}) {
      for (const std::uint64_t delta : {0ull, 1ull, ~0ull}) addresses.push_back(edge + delta);
    }
  }
  for (const std::uint64_t address : addresses) {
    const auto it = std::ranges::find_if(
        ranges, [&](const Route& range) { return range.first <= address && address <= range.last(); });
    const Route& found = resolve(table.index().candidate(address), address);
    ASSERT_EQ(found.claims(address, 1), it != ranges.end()) << std::hex << address;
    if (it != ranges.end()) {
      ASSERT_EQ(found.first, it->first) << std::hex << address;
    }
  }
}

TEST(Route, HoldsAnAccessWhole) {
  const Route page = route(0x1000, 0x1fff);
  EXPECT_TRUE(page.holds(0x1000, 0x1000));
  EXPECT_TRUE(page.holds(0x1fff, 1));
  EXPECT_FALSE(page.holds(0x1fff, 2));
  EXPECT_FALSE(page.holds(0xfff, 2));
  EXPECT_FALSE(page.holds(0x1000, 0));
  EXPECT_FALSE(page.holds(0x1000, ~std::size_t{0}));
  const Route top = route(~0ull - 7, ~0ull);
  EXPECT_TRUE(top.holds(~0ull - 7, 8));
  EXPECT_FALSE(top.holds(~0ull - 7, 9));
  EXPECT_FALSE(top.holds(0, 1));
  const Route everything = route(0, ~0ull);
  EXPECT_TRUE(everything.claims(0, ~std::size_t{0}));
  EXPECT_TRUE(everything.claims(~0ull, 1));
  EXPECT_FALSE(everything.claims(~0ull, 2));
  EXPECT_FALSE(everything.claims(0, 0));
  EXPECT_FALSE(Route{}.claims(0, 1));
}

TEST(RouteTable, OfNothingHoldsNothing) {
  const RouteTable table({});
  for (const std::uint64_t address : {0ull, 1ull << 63, ~0ull}) {
    EXPECT_FALSE(resolve(table.index().candidate(address), address).claims(address, 1));
  }
}

TEST(RouteTable, IsOneLevelDeepForDevicesOfLikeSizeHoweverMany) {
  for (const std::uint64_t stride : {0x1000ull, 0x3000ull}) {
    for (const std::size_t count : {1u, 2u, 33u, 4096u}) {
      std::vector<Route> ranges;
      for (std::uint64_t i = 0; i < count; ++i) {
        ranges.push_back(route(0xd0000000 + i * stride, 0xd0000000 + i * stride + 0xfff));
      }
      const Shape it = shape(ranges);
      EXPECT_EQ(it.levels, 1u) << count << " at " << stride;
      EXPECT_LE(it.slots, std::max<std::size_t>(4 * 64, 4 * count)) << count << " at " << stride;
      if (count < 100) expect_right(ranges);
    }
  }
}

// Machines as machines are: ports of one byte to a page; windows below 4 GiB, wide BARs far above.
TEST(RouteTable, IsOneLevelDeepForTheLayoutsOfRealMachines) {
  const std::vector<Route> ports{route(0x40, 0x43),   route(0x60, 0x60),   route(0x61, 0x61),   route(0x64, 0x64),
                                 route(0x70, 0x71),   route(0x80, 0x80),   route(0x2f8, 0x2ff), route(0x3f8, 0x3ff),
                                 route(0x600, 0x60b), route(0xcf8, 0xcf8), route(0xcfc, 0xcff)};
  EXPECT_EQ(shape(ports).levels, 1u);
  expect_right(ports);

  std::vector<Route> memory;
  for (std::uint64_t i = 0; i < 32; ++i) memory.push_back(route(0xd0000000 + i * 0x1000, 0xd0000fff + i * 0x1000));
  memory.push_back(route(0xfec00000, 0xfec00fff));
  memory.push_back(route(0xfed00000, 0xfed003ff));
  for (std::uint64_t i = 0; i < 8; ++i) {
    memory.push_back(route(0x40'0000'0000 + i * 0x1000'0000, 0x40'0fff'ffff + i * 0x1000'0000));
  }
  EXPECT_EQ(shape(memory).levels, 1u);
  expect_right(memory);

  std::vector<Route> many;
  for (std::uint64_t i = 0; i < 4096; ++i) many.push_back(route(0xd0000000 + i * 0x1000, 0xd0000fff + i * 0x1000));
  many.push_back(route(0xfec00000, 0xfec003ff));
  many.push_back(route(0x40'0000'0000, 0x40'ffff'ffff));
  EXPECT_EQ(shape(many).levels, 1u);
  EXPECT_LE(shape(many).slots, 2u * 4096);
}

// More places than there are segments, one of them crowded: the crowd still has a level for itself.
TEST(RouteTable, GoesDeeperWhereSmallRangesCrowdInAWideStretch) {
  std::vector<Route> ranges;
  for (std::uint64_t i = 0; i < 12; ++i) ranges.push_back(route(i << 40, (i << 40) + 0xff));
  for (std::uint64_t i = 0; i < 1000; ++i) ranges.push_back(route((13ull << 40) + i * 64, (13ull << 40) + i * 64 + 63));
  EXPECT_LE(shape(ranges).levels, 3u);
  EXPECT_LE(shape(ranges).slots, 4000u);
  expect_right(ranges);
}

// Each range half as far from the top as the one before: the worst that a power-of-two cut can meet.
TEST(RouteTable, StaysShallowAndSmallForTheWorstLayout) {
  std::vector<Route> ranges;
  for (unsigned bit = 0; bit < 64; ++bit) ranges.push_back(route(1ull << bit, 1ull << bit));
  EXPECT_LE(shape(ranges).levels, 22u);
  EXPECT_LE(shape(ranges).slots, 64u * ranges.size());
  expect_right(ranges);

  std::vector<Route> touching{route(0, 0)};  // 1, 2-3, 4-7, … up to the top
  for (unsigned bit = 0; bit < 64; ++bit) touching.push_back(route(1ull << bit, (1ull << bit) + ((1ull << bit) - 1)));
  EXPECT_LE(shape(touching).levels, 22u);
  expect_right(touching);

  std::vector<Route> odd;  // unaligned neighbours without a gap
  for (std::uint64_t i = 0; i < 1000; ++i) odd.push_back(route(7 + i * 24, 7 + i * 24 + 23));
  EXPECT_LE(shape(odd).levels, 4u);
  EXPECT_LE(shape(odd).slots, 64u * odd.size());
  expect_right(odd);

  expect_right({route(0, ~0ull)});
  expect_right({route(0, (1ull << 63) - 1), route(1ull << 63, ~0ull)});
  expect_right({route(0, 1ull << 63), route((1ull << 63) + 1, ~0ull)});
  expect_right({route(1, ~0ull - 1)});
}

TEST(RouteTable, IsRightForRandomLayouts) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; ++round) {
    // Edges of random width; each second stretch between two edges is a range.
    std::set<std::uint64_t> edges;
    const std::size_t count = 2 + random() % 200;
    for (std::size_t i = 0; i < count; ++i) edges.insert(random() >> (random() % 64));
    std::vector<Route> ranges;
    for (auto it = edges.begin(); it != edges.end() && std::next(it) != edges.end(); ++it) {
      if (random() % 4 != 0)
        ranges.push_back(route(*it, *std::next(it) - (random() % 2 == 0 ? 1 : (*std::next(it) - *it))));
    }
    expect_right(ranges);
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace keel::detail
