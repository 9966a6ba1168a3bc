// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/backends/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "keel/base/unique_fd.h"

namespace keel {
namespace {

using ::testing::HasSubstr;

std::string refusal(const std::string& name) {
  const auto tap = open_tap({.name = name});
  return tap ? "(it opened)" : tap.error().message();
}

TEST(Tap, NamesThatCanBeNone) {
  for (const std::string& name : {std::string(), std::string(16, 'x'), std::string("a/b"), std::string("tap%d")})
    EXPECT_THAT(refusal(name), HasSubstr("can be no interface's name")) << name;
}

TEST(Tap, AnAbsentInterfaceIsNotMade) {
  EXPECT_EQ(open_tap({.name = "keel-nobody"}).error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(refusal("keel-nobody"), HasSubstr("ip tuntap add dev keel-nobody mode tap"));
  EXPECT_EQ(::if_nametoindex("keel-nobody"), 0u);
}

TEST(Tap, AnInterfaceThatIsNoTap) {
  const UniqueFd control(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (!control) GTEST_SKIP() << "this user may not open /dev/net/tun";
  EXPECT_THAT(refusal("lo"), ::testing::AnyOf(HasSubstr("this interface is no tap"), HasSubstr("not this user's")));
}

}  // namespace
}  // namespace keel
