// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/event_fd.h"

#include <fcntl.h>

#include <utility>

#include <gtest/gtest.h>

namespace keel {
namespace {

TEST(EventFd, CountsSignalsUntilDrained) {
  auto event = EventFd::create();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->drain().value(), 0u);
  EXPECT_FALSE(event->is_signalled());
  EXPECT_TRUE(event->signal().has_value());
  EXPECT_TRUE(event->signal(2).has_value());
  EXPECT_TRUE(event->is_signalled());
  EXPECT_EQ(event->drain().value(), 3u);
  EXPECT_FALSE(event->is_signalled());
  EXPECT_EQ(event->drain().value(), 0u);
}

TEST(EventFd, AFullCounterIsASignalledOne) {
  auto event = EventFd::create();
  ASSERT_TRUE(event.has_value());
  EXPECT_TRUE(event->signal(~0ull - 1).has_value());
  EXPECT_TRUE(event->signal().has_value());
  EXPECT_EQ(event->drain().value(), ~0ull - 1);
}

TEST(UniqueFd, ClosesWhatItOwnsOnceAndMovesIt) {
  int number = -1;
  {
    UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(fd);
    number = fd.get();
    UniqueFd other = std::move(fd);
    EXPECT_EQ(other.get(), number);
    EXPECT_EQ(fd.get(), -1);  // NOLINT(bugprone-use-after-move): the moved-from state is documented
    EXPECT_EQ(::fcntl(number, F_GETFD), FD_CLOEXEC);
  }
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

}  // namespace
}  // namespace keel
