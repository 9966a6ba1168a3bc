// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/address.h"

#include <concepts>

#include <gtest/gtest.h>

namespace keel {
namespace {

static_assert(sizeof(PioAddress) == 2);
static_assert(sizeof(MmioAddress) == 8);
static_assert(!std::convertible_to<PioAddress, MmioAddress>);
static_assert(!std::convertible_to<MmioAddress, GuestAddress>);
static_assert(!std::convertible_to<int, PioAddress>);
static_assert(!std::convertible_to<Gsi, InstanceId>);

TEST(Address, AddsUpToTheTopOfItsSpaceAndNotBeyond) {
  EXPECT_EQ(PioAddress(0xfffe).checked_add(1), PioAddress(0xffff));
  EXPECT_EQ(PioAddress(0xfffe).checked_add(2), std::nullopt);
  EXPECT_EQ(PioAddress(1).checked_add(0x1'0000'0000), std::nullopt);
  EXPECT_EQ(MmioAddress(0).checked_add(~0ull), MmioAddress::max());
  EXPECT_EQ(MmioAddress(1).checked_add(~0ull), std::nullopt);
}

TEST(Address, KnowsItsAlignment) {
  EXPECT_TRUE(MmioAddress(0x2000).is_aligned(0x1000));
  EXPECT_FALSE(MmioAddress(0x2004).is_aligned(0x1000));
  EXPECT_TRUE(MmioAddress(0x2004).is_aligned(1));
}

TEST(Address, IsWrittenInHexadecimalAndNumbersInDecimal) {
  EXPECT_EQ(fmt::format("{}", PioAddress(0x3f8)), "0x3f8");
  EXPECT_EQ(fmt::format("{}", Gsi(10)), "10");
}

}  // namespace
}  // namespace keel
