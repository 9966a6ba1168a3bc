// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/doorbell.h"

#include <array>
#include <cstdint>

#include <gtest/gtest.h>

namespace keel {
namespace {

TEST(Doorbell, HasTheSizeOfAnAccessAndAValueThatFits) {
  for (const std::uint8_t size : std::to_array<std::uint8_t>({1, 2, 4, 8}))
    EXPECT_TRUE(check_doorbell(MmioDoorbell{.address = MmioAddress(0x50), .size = size}).has_value());
  for (const std::uint8_t size : std::to_array<std::uint8_t>({0, 3, 5, 16, 128, 255})) {
    const auto refused = check_doorbell(MmioDoorbell{.address = MmioAddress(0x50), .size = size});
    ASSERT_FALSE(refused.has_value()) << int{size};
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_TRUE(check_doorbell(PioDoorbell{.address = PioAddress(0x50), .value = 0xffff, .size = 2}).has_value());
  const auto refused = check_doorbell(PioDoorbell{.address = PioAddress(0x50), .value = 0x1'0000, .size = 2});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message(), "pio doorbell at 0x50 (2 bytes, value 0x10000): value 0x10000 does not fit");
  EXPECT_TRUE(check_doorbell(MmioDoorbell{.address = MmioAddress(0), .value = ~0ull, .size = 8}).has_value());
}

TEST(Doorbell, MayEndAtTheTopAndNotPassIt) {
  EXPECT_TRUE(check_doorbell(PioDoorbell{.address = PioAddress(0xfffe), .size = 2}).has_value());
  EXPECT_FALSE(check_doorbell(PioDoorbell{.address = PioAddress(0xffff), .size = 2}).has_value());
  EXPECT_TRUE(check_doorbell(MmioDoorbell{.address = MmioAddress(~0ull - 7), .size = 8}).has_value());
  EXPECT_FALSE(check_doorbell(MmioDoorbell{.address = MmioAddress(~0ull - 6), .size = 8}).has_value());
}

TEST(Doorbell, SaysWhatRingsIt) {
  EXPECT_EQ(fmt::format("{}", MmioDoorbell{.address = MmioAddress(0xd000'0050), .value = 1}),
            "mmio doorbell at 0xd0000050 (4 bytes, value 0x1)");
  EXPECT_EQ(fmt::format("{}", PioDoorbell{.address = PioAddress(0x10), .match = DoorbellMatch::kAnyWrite}),
            "pio doorbell at 0x10 (4 bytes, any write)");
}

}  // namespace
}  // namespace keel
