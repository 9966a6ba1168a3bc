// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/bus/unclaimed_table.h"

#include <map>

#include <gtest/gtest.h>

namespace keel::detail {
namespace {

std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> contents(const UnclaimedTable& table) {
  std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> all;
  table.for_each([&](std::uint64_t address, std::uint64_t reads, std::uint64_t writes) {
    EXPECT_TRUE(all.emplace(address, std::pair(reads, writes)).second) << "twice: " << address;
  });
  return all;
}

TEST(UnclaimedTable, IsExactForAFewAddresses) {
  UnclaimedTable table;
  for (const std::uint64_t address : {std::uint64_t{0}, std::uint64_t{0x80}, std::uint64_t{0}, ~std::uint64_t{0}}) {
    table.count(address, Direction::kRead);
  }
  table.count(0x80, Direction::kWrite);
  EXPECT_EQ(table.total(Direction::kRead), 4u);
  EXPECT_EQ(table.total(Direction::kWrite), 1u);
  const auto all = contents(table);
  EXPECT_EQ(all.size(), 3u);
  EXPECT_EQ(all.at(0), std::pair(std::uint64_t{2}, std::uint64_t{0}));
  EXPECT_EQ(all.at(0x80), std::pair(std::uint64_t{1}, std::uint64_t{1}));
}

TEST(UnclaimedTable, KeepsTheBusyThroughASprayAndLetsNewcomersIn) {
  UnclaimedTable table;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    table.count(i * 8, Direction::kWrite);
    if (i % 4 == 0) table.count(3, Direction::kRead);                // from the start
    if (i > 50'000 && i % 4 == 0) table.count(5, Direction::kRead);  // once the table is full
  }
  const auto all = contents(table);
  EXPECT_EQ(all.size(), 64u) << "full, and no fuller";
  EXPECT_EQ(all.at(3).first, 25'000u);
  EXPECT_GT(all.at(5).first, 12'000u);
}

TEST(UnclaimedTable, AddsUpWithAnother) {
  UnclaimedTable into, from;
  for (int i = 0; i < 3; ++i) into.count(1, Direction::kRead);
  for (int i = 0; i < 4; ++i) from.count(1, Direction::kWrite);
  from.count(2, Direction::kRead);
  into.add(from);
  EXPECT_EQ(into.total(Direction::kRead), 4u);
  EXPECT_EQ(into.total(Direction::kWrite), 4u);
  EXPECT_EQ(contents(into).at(1), std::pair(std::uint64_t{3}, std::uint64_t{4}));
  EXPECT_EQ(contents(into).at(2).first, 1u);

  // Where there is no room for both, the busier stays.
  UnclaimedTable full, busier;
  for (std::uint64_t address = 0; address < 4000; ++address) full.count(address, Direction::kRead);
  for (std::uint64_t n = 0; n < 1000; ++n) busier.count(9999, Direction::kRead);
  full.add(busier);
  EXPECT_EQ(contents(full).at(9999).first, 1000u);
}

}  // namespace
}  // namespace keel::detail
