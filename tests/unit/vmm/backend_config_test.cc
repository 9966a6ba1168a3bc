// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/backend_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keel {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Access = DiskProperties::Access;

TEST(BackendConfig, Disks) {
  EXPECT_EQ(parse_disk("a.img"), (DiskConfig{.path = "a.img"}));
  EXPECT_EQ(parse_disk("/x/a.img,ro"), (DiskConfig{.path = "/x/a.img", .access = Access::kReadOnly}));
  EXPECT_EQ(parse_disk("a,,b.img,ro"), (DiskConfig{.path = "a,b.img", .access = Access::kReadOnly}));
  EXPECT_THAT(parse_disk("").error().message(), HasSubstr("names no file"));
  EXPECT_THAT(parse_disk(",ro").error().message(), HasSubstr("names no file"));
  EXPECT_THAT(parse_disk("a.img,rw").error().message(), HasSubstr("\"rw\" is no option of a disk; there is ro"));
  EXPECT_FALSE(parse_disk("a.img,"));
}

TEST(BackendConfig, Networks) {
  const auto user = parse_net("user");
  ASSERT_TRUE(user.has_value());
  EXPECT_FALSE(user->tap.has_value());
  EXPECT_THAT(user->forwards, IsEmpty());
  const auto forwards = parse_net("user,hostfwd=tcp::1-:2,hostfwd=udp:0.0.0.0:3-:4,mac=52:54:00:12:34:56");
  ASSERT_TRUE(forwards.has_value()) << forwards.error().message();
  EXPECT_EQ(forwards->forwards.size(), 2u);
  EXPECT_EQ(forwards->mac, (MacAddress{{0x52, 0x54, 0, 0x12, 0x34, 0x56}}));
  EXPECT_EQ(parse_net("tap=tap0")->tap, "tap0");
  for (const auto* const wrong :
       {"", "vlan", "tap", "user,", "user,hostfwd", "user,hostfwd=80", "user,mac=1", "user,mac=01:00:00:00:00:00",
        "user,mac=00:00:00:00:00:00", "tap=t,hostfwd=tcp::1-:2"}) {
    const auto refused = parse_net(wrong);
    ASSERT_FALSE(refused.has_value()) << wrong;
    EXPECT_THAT(refused.error().message(), HasSubstr(fmt::format("--net \"{}\"", wrong)));
  }
}

TEST(BackendConfig, Ports) {
  EXPECT_EQ(parse_port("agent=/run/a=b.sock"), (PortConfig{.name = "agent", .socket = "/run/a=b.sock"}));
  for (const auto* const wrong : {"", "agent", "=/run/a", "agent=", "a/b=/run/a"})
    EXPECT_THAT(parse_port(wrong).error().message(), HasSubstr("write NAME=SOCKET")) << wrong;
}

}  // namespace
}  // namespace keel
