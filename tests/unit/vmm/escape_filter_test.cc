// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/escape_filter.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace keel {
namespace {

// What the guest gets of what is typed; "<leave>" where the filter says so.
std::string typed(EscapeFilter& filter, std::string_view keys) {
  const std::vector<std::uint8_t> in(keys.begin(), keys.end());
  std::vector<std::uint8_t> out(in.size() + 1);
  const auto filtered = filter.filter(in, out);
  std::string result(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(filtered.size));
  if (filtered.wish == EscapeFilter::Filtered::Wish::kLeave) result += "<leave>";
  return result;
}

TEST(EscapeFilter, PassesOrdinaryKeys) {
  EscapeFilter filter;
  EXPECT_EQ(typed(filter, "ls -l\r\x03\x1b[A"), "ls -l\r\x03\x1b[A");
  EXPECT_EQ(typed(filter, ""), "");
}

TEST(EscapeFilter, LeavesOnCtrlAThenX) {
  EscapeFilter filter;
  EXPECT_EQ(typed(filter, "ab\x01xcd"), "ab<leave>");
}

TEST(EscapeFilter, SendsOneCtrlAForTwo) {
  EscapeFilter filter;
  EXPECT_EQ(typed(filter, "\x01\x01x"), "\x01x");
}

TEST(EscapeFilter, SendsBothKeysWhereTheSecondMeansNothing) {
  EscapeFilter filter;
  EXPECT_EQ(typed(filter, "\x01z"), "\x01z");
}

TEST(EscapeFilter, RemembersAnEscapeBetweenReads) {
  EscapeFilter filter;
  EXPECT_EQ(typed(filter, "a\x01"), "a");
  EXPECT_EQ(typed(filter, "b"),
            "\x01"
            "b");
  EXPECT_EQ(typed(filter, "\x01"), "");
  EXPECT_EQ(typed(filter, "x"), "<leave>");
}

}  // namespace
}  // namespace keel
