// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/gsi_allocator.h"

#include <gtest/gtest.h>

namespace keel::kvm {
namespace {

static_assert(Leasable<GsiAllocator>);

constexpr auto kPins = IdRange<Gsi>::constant(0, 23);
constexpr auto kMessages = IdRange<Gsi>::constant(24, 0xffff'ffff);

TEST(GsiAllocator, PinsAndMessagesShareTheNumbers) {
  GsiAllocator gsis(26);
  EXPECT_EQ(gsis.allocate({.owner = "com1", .within = IdRange<Gsi>::single(Gsi(4))}).value(), Gsi(4));
  EXPECT_EQ(gsis.allocate({.owner = "net0", .within = kMessages}).value(), Gsi(24));
  EXPECT_EQ(gsis.allocate({.owner = "blk0", .within = kPins}).value(), Gsi(0));
  EXPECT_EQ(gsis.owners(), (std::map<Gsi, std::string>{{Gsi(0), "blk0"}, {Gsi(4), "com1"}, {Gsi(24), "net0"}}));
  ASSERT_TRUE(gsis.free(Gsi(4)).has_value());
  EXPECT_FALSE(gsis.free(Gsi(4)).has_value());
  EXPECT_FALSE(gsis.free(Gsi(26)).has_value());
  EXPECT_EQ(gsis.owners().size(), 2u);
}

TEST(GsiAllocator, ExhaustionNamesTheFiveWhoHoldMost) {
  GsiAllocator gsis(24 + 21);
  for (int device = 0; device < 6; ++device) {
    for (int i = 0; i <= device; ++i)
      ASSERT_TRUE(gsis.allocate({.owner = fmt::format("dev{}", device), .within = kMessages}).has_value());
  }
  const auto refused = gsis.allocate({.owner = "late", .within = kMessages});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kExhausted);
  EXPECT_EQ(refused.error().message(),
            "\"late\": no gsi is left: all 21 of [24, 44] are taken; free one or widen the range; held by: dev5 6, "
            "dev4 5, dev3 4, dev2 3, dev1 2 and 1 more");
}

TEST(GsiAllocator, ANumberBeyondTheTableIsRefused) {
  GsiAllocator gsis(64);
  const auto refused = gsis.allocate({.owner = "net0", .within = IdRange<Gsi>::constant(64, 100)});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kOutOfBounds);
}

TEST(GsiAllocator, UpdateMovesTheOwner) {
  GsiAllocator gsis(64);
  const Gsi old = gsis.allocate({.owner = "net0", .within = kMessages}).value();
  ASSERT_TRUE(gsis.update(old, Gsi(50)).has_value());
  EXPECT_EQ(gsis.owners(), (std::map<Gsi, std::string>{{Gsi(50), "net0"}}));
  EXPECT_FALSE(gsis.update(Gsi(50), Gsi(64)).has_value());
  EXPECT_EQ(gsis.owners(), (std::map<Gsi, std::string>{{Gsi(50), "net0"}}));
}

}  // namespace
}  // namespace keel::kvm
