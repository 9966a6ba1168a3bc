// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/backends/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "keel/base/unique_fd.h"

namespace keel {
namespace {

using ::testing::HasSubstr;

constexpr int kNotAllowed = 77;

// Runs `body` in a process with a network of its own. Its exit status: 0, 1 where something failed, or kNotAllowed.
template <typename Body>
int in_own_network(Body body) {
  (void)std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    // A process of several threads, as a sanitizer's may be, gets no users of its own, but root needs none.
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWNET) != 0) ::_exit(kNotAllowed);
    body();
    (void)std::fflush(stdout);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

// A tap that stays when its maker goes. Ends the process where this host makes none.
void make_tap(const std::string& name, int flags) {
  const UniqueFd control(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq request = {};
  std::ranges::copy(name, request.ifr_name);
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags);
  if (!control || ::ioctl(control.get(), TUNSETIFF, &request) != 0 || ::ioctl(control.get(), TUNSETPERSIST, 1) != 0)
    ::_exit(kNotAllowed);
}

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

TEST(Tap, OneMachineAtATimeHasIt) {
  const int status = in_own_network([] {
    for (const int flags : {0, IFF_MULTI_QUEUE}) {
      const std::string name = flags == 0 ? "keel-one" : "keel-several";
      make_tap(name, flags);
      auto first = open_tap({.name = name, .queue_pairs = 2});
      ASSERT_TRUE(first.has_value()) << first.error().message();
      EXPECT_EQ((*first)->properties().queue_pairs, flags == 0 ? 1 : 2);
      for (const std::uint16_t pairs : {std::uint16_t{1}, std::uint16_t{2}}) {
        const auto second = open_tap({.name = name, .queue_pairs = pairs});
        ASSERT_FALSE(second.has_value()) << name;
        EXPECT_EQ(second.error().code(), ErrorCode::kAlreadyExists);
        EXPECT_THAT(second.error().message(), HasSubstr("another program has it"));
      }
      first->reset();
      EXPECT_EQ(refusal(name), "(it opened)");
    }
  });
  if (status == kNotAllowed) GTEST_SKIP() << "this user may not make a network with a tap";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace keel
