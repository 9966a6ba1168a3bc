// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/backends/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>

#include <cstdint>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/own_network.h"
#include "keel/base/unique_fd.h"

namespace keel {
namespace {

using ::testing::HasSubstr;

using testing::in_own_network;
using testing::kNotAllowed;
using testing::make_tap;

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

TEST(Tap, QueuePairsAreKnownWithoutOpening) {
  EXPECT_EQ(tap_queue_pairs({.name = "keel-nobody", .queue_pairs = 4}), std::nullopt);
  EXPECT_EQ(tap_queue_pairs({.name = "lo", .queue_pairs = 4}), std::nullopt);
  EXPECT_EQ(tap_queue_pairs({.name = std::string(100, 'x'), .queue_pairs = 4}), std::nullopt);
  const int status = in_own_network([] {
    for (const int flags : {0, IFF_MULTI_QUEUE}) {
      const std::string name = flags == 0 ? "keel-one" : "keel-several";
      make_tap(name, flags);
      for (const std::uint16_t pairs : {std::uint16_t{1}, std::uint16_t{4}}) {
        const auto known = tap_queue_pairs({.name = name, .queue_pairs = pairs});
        auto opened = open_tap({.name = name, .queue_pairs = pairs});
        ASSERT_TRUE(opened.has_value()) << opened.error().message();
        EXPECT_EQ(known, (*opened)->properties().queue_pairs) << name;
        EXPECT_EQ(tap_queue_pairs({.name = name, .queue_pairs = pairs}), known) << "somebody has it";
      }
    }
  });
  if (status == kNotAllowed) GTEST_SKIP() << "this user may not make a network with a tap";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace keel
