// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/mac_address.h"

#include <gtest/gtest.h>

namespace keel {
namespace {

TEST(MacAddress, ReadsWhatItWrites) {
  const auto mac = MacAddress::parse("52:54:00:aB:34:f6").value();
  EXPECT_EQ(mac, (MacAddress{{0x52, 0x54, 0x00, 0xab, 0x34, 0xf6}}));
  EXPECT_EQ(fmt::format("{}", mac), "52:54:00:ab:34:f6");
  EXPECT_FALSE(mac.is_multicast());
  EXPECT_TRUE(MacAddress::parse("01:00:5e:00:00:01")->is_multicast());
}

TEST(MacAddress, RefusesEverythingElse) {
  for (const char* text : {"", "52:54:00:12:34", "52:54:00:12:34:5", "52:54:00:12:34:567", "52-54-00-12-34-56",
                           "52:54:00:12:34:g6", "52:54:00:12:34: 6", "52:54:00:12:34:-6", "+2:54:00:12:34:56"}) {
    EXPECT_FALSE(MacAddress::parse(text).has_value()) << text;
  }
  EXPECT_EQ(MacAddress::parse("box").error().message(),
            "\"box\" is not a MAC address; write it like 52:54:00:12:34:56");
}

}  // namespace
}  // namespace keel
