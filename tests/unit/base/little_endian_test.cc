// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/little_endian.h"

#include <array>

#include <gtest/gtest.h>

namespace keel {
namespace {

TEST(LittleEndian, LoadsAndStoresLowestByteFirst) {
  std::array<std::uint8_t, 8> bytes = {};
  store_le(std::span(bytes).first(4), 0x11223344);
  EXPECT_EQ(bytes, (std::array<std::uint8_t, 8>{0x44, 0x33, 0x22, 0x11, 0, 0, 0, 0}));
  EXPECT_EQ(load_le(std::span(bytes).first(2)), 0x3344u);
  EXPECT_EQ(load_le(std::span(bytes).first(0)), 0u);
  store_le_at<std::uint16_t>(bytes, 6, 0xabcd);
  EXPECT_EQ(load_le_at<std::uint16_t>(bytes, 6), 0xabcdu);
  EXPECT_EQ(load_le(bytes), 0xabcd000011223344u);
}

TEST(LittleEndian, FillsWhatIsWiderThanAValueWithZero) {
  std::array<std::uint8_t, 10> bytes;
  bytes.fill(0xee);
  store_le(bytes, ~0ull);
  EXPECT_EQ(bytes[7], 0xff);
  EXPECT_EQ(bytes[8], 0);
  EXPECT_EQ(bytes[9], 0);
}

}  // namespace
}  // namespace keel
