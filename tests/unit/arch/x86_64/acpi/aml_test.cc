// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/acpi/aml.h"

#include <gtest/gtest.h>

namespace keel::x86_64::aml {
namespace {

TEST(Aml, IntegersTakeTheFewestBytes) {
  EXPECT_EQ(integer(0), (Bytes{0x00}));
  EXPECT_EQ(integer(1), (Bytes{0x01}));
  EXPECT_EQ(integer(2), (Bytes{0x0a, 0x02}));
  EXPECT_EQ(integer(0xff), (Bytes{0x0a, 0xff}));
  EXPECT_EQ(integer(0x100), (Bytes{0x0b, 0x00, 0x01}));
  EXPECT_EQ(integer(0x1'0000), (Bytes{0x0c, 0x00, 0x00, 0x01, 0x00}));
  EXPECT_EQ(integer(0x1'0000'0000), (Bytes{0x0e, 0, 0, 0, 0, 1, 0, 0, 0}));
}

TEST(Aml, EisaIdsAreTheSpecificationsExample) {
  // ACPI 6.4, 19.3.4: EISAID("PNP0C09") is 0x090cd041.
  EXPECT_EQ(eisa_id("PNP0C09"), (Bytes{0x0c, 0x41, 0xd0, 0x0c, 0x09}));
  EXPECT_EQ(eisa_id("PNP0501"), (Bytes{0x0c, 0x41, 0xd0, 0x05, 0x01}));
  EXPECT_TRUE(is_eisa_id("PNP0C09"));
  for (const auto* text : {"", "PNP0C0", "PNP0C099", "pnp0c09", "PNP0G09", "PN00C09"}) EXPECT_FALSE(is_eisa_id(text));
}

TEST(Aml, NameSegments) {
  for (const auto* text : {"COM1", "_HID", "____", "A0_9"}) EXPECT_TRUE(is_name_segment(text)) << text;
  for (const auto* text : {"", "COM", "COM10", "1COM", "com1", "CO-1"}) EXPECT_FALSE(is_name_segment(text)) << text;
}

TEST(Aml, TermsNest) {
  EXPECT_EQ(name("_UID", integer(7)), (Bytes{0x08, '_', 'U', 'I', 'D', 0x0a, 7}));
  EXPECT_EQ(name("_S5_", package({integer(5), integer(0)})), (Bytes{0x08, '_', 'S', '5', '_', 0x12, 5, 2, 0x0a, 5, 0}));
  EXPECT_EQ(device("COM1", name("_UID", integer(1))),
            (Bytes{0x5b, 0x82, 11, 'C', 'O', 'M', '1', 0x08, '_', 'U', 'I', 'D', 0x01}));
  EXPECT_EQ(scope("_SB_", {}), (Bytes{0x10, 5, '_', 'S', 'B', '_'}));
  EXPECT_EQ(string("AB"), (Bytes{0x0d, 'A', 'B', 0}));
  EXPECT_EQ(buffer(Bytes{9, 8}), (Bytes{0x11, 5, 0x0a, 2, 9, 8}));
}

// The length of a buffer's package at both sides of every change of form (20.2.4), read back as a parser would.
TEST(Aml, PackageLengthsCountThemselves) {
  for (const std::size_t size : {0u, 1u, 59u, 60u, 61u, 62u, 250u, 4088u, 4089u, 4090u, 4091u, 70'000u, 0x10'0000u}) {
    const Bytes bytes = buffer(Bytes(size, 0xee));
    const unsigned following = bytes[1] >> 6;
    std::size_t length = following == 0 ? bytes[1] & 0x3fu : bytes[1] & 0x0fu;
    for (unsigned i = 0; i < following; ++i) length |= std::size_t{bytes[2 + i]} << (4 + 8 * i);
    EXPECT_EQ(length, bytes.size() - 1) << size;
    if (following > 0) {
      EXPECT_GT(length, following == 1 ? 0x3fu : (1u << (4 + 8 * (following - 1))) - 1) << "could be shorter";
      EXPECT_EQ(bytes[1] & 0x30, 0) << "reserved bits";
    }
  }
}

TEST(AmlDeathTest, ABadNameIsABrokenInvariant) {
  EXPECT_DEATH((void)name("lower", integer(0)), "not an AML name");
  EXPECT_DEATH((void)eisa_id("LNRO0005"), "not an EISA id");
}

}  // namespace
}  // namespace keel::x86_64::aml
