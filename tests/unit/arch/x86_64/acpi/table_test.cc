// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/acpi/table.h"

#include <numeric>

#include <gtest/gtest.h>

#include "keel/base/little_endian.h"

namespace keel::x86_64 {
namespace {

TEST(AcpiTable, AnEmptyOneIsAHeader) {
  const auto bytes = AcpiTable("TEST", 3).finish();
  ASSERT_EQ(bytes.size(), AcpiTable::kHeaderSize);
  EXPECT_EQ(std::string(bytes.begin(), bytes.begin() + 4), "TEST");
  EXPECT_EQ(load_le_at<std::uint32_t>(bytes, 4), 36u);
  EXPECT_EQ(bytes[8], 3);
  EXPECT_EQ(std::string(bytes.begin() + 10, bytes.begin() + 16), "KEEL  ");
}

TEST(AcpiTable, FieldsFollowInTheirOrderAndAllBytesSumToZero) {
  const auto bytes = AcpiTable("TEST", 1).add<std::uint8_t>(1).add<std::uint32_t>(0x05040302).add_zeros(2).finish();
  EXPECT_EQ(std::vector(bytes.begin() + 36, bytes.end()), (std::vector<std::uint8_t>{1, 2, 3, 4, 5, 0, 0}));
  EXPECT_EQ(load_le_at<std::uint32_t>(bytes, 4), 43u);
  EXPECT_EQ(std::accumulate(bytes.begin(), bytes.end(), 0u) & 0xff, 0u);
}

TEST(AcpiTable, APortIsAGenericAddress) {
  const auto bytes = AcpiTable("TEST", 1).add_port(PioAddress(0x608), 4, 2).add_no_register().finish();
  EXPECT_EQ(std::vector(bytes.begin() + 36, bytes.begin() + 48),
            (std::vector<std::uint8_t>{1, 32, 0, 2, 0x08, 0x06, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(std::vector(bytes.begin() + 48, bytes.end()), std::vector<std::uint8_t>(12));
}

}  // namespace
}  // namespace keel::x86_64
