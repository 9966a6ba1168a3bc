// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/bus/access_count.h"

#include <gtest/gtest.h>

namespace keel::detail {
namespace {

// As an access does it: what is timed goes through the count, everything else adds one.
std::uint64_t after_one(std::uint64_t kept) {
  return AccessCount::next_is_timed(kept) ? AccessCount::kept(AccessCount::of(kept) + 1) : kept + 1;
}

TEST(AccessCount, CountsEveryAccessAndReadsBack) {
  std::uint64_t kept = 0;
  for (std::uint64_t count = 0; count < 5000; ++count, kept = after_one(kept)) {
    ASSERT_EQ(AccessCount::of(kept), count);
    ASSERT_EQ(AccessCount::kept(count), kept);
  }
}

// At any time the timed accesses stand for at least every second one, and for none that has not been.
TEST(AccessCount, TheTimedOnesStandForTheOthers) {
  std::uint64_t kept = 0, timed = 0, stood_for = 0;
  for (std::uint64_t count = 0; count < 5000; ++count, kept = after_one(kept)) {
    ASSERT_EQ(AccessCount::stood_for(count), stood_for) << count;
    ASSERT_LE(stood_for, count);
    ASSERT_GE(2 * stood_for, count);
    if (!AccessCount::next_is_timed(kept)) continue;
    ++timed;
    stood_for += AccessCount::weight(kept);
  }
  EXPECT_EQ(timed, 16 + 4 + (5000 - 256) / 256u) << "16 first, 32, 64, 128, 256, then every 256th";
}

}  // namespace
}  // namespace keel::detail
