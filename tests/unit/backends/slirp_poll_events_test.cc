// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel-slirp/poll_events.h"

#include <gtest/gtest.h>

namespace keel::slirp {
namespace {

int told(int events, int revents) {
  return from_poll({.fd = 0, .events = static_cast<short>(events), .revents = static_cast<short>(revents)});
}

TEST(SlirpPollEvents, WhatIsWantedIsLookedFor) {
  EXPECT_EQ(to_poll(SLIRP_POLL_IN | SLIRP_POLL_HUP | SLIRP_POLL_PRI), POLLIN | POLLHUP | POLLPRI);
  EXPECT_EQ(to_poll(SLIRP_POLL_OUT | SLIRP_POLL_ERR), POLLOUT | POLLERR);
}

TEST(SlirpPollEvents, AReaderHearsOfTheEnd) {
  EXPECT_EQ(told(POLLIN | POLLHUP | POLLPRI, POLLHUP), SLIRP_POLL_HUP);
  EXPECT_EQ(told(POLLIN | POLLOUT, POLLIN | POLLERR), SLIRP_POLL_IN | SLIRP_POLL_ERR);
}

// libslirp would read into a buffer that has no room, and abort.
TEST(SlirpPollEvents, AWriterHearsOfTheEndAsOfRoom) {
  EXPECT_EQ(told(POLLOUT | POLLERR, POLLERR | POLLHUP | POLLOUT), SLIRP_POLL_OUT);
  EXPECT_EQ(told(POLLOUT | POLLERR, POLLHUP), SLIRP_POLL_OUT);
  EXPECT_EQ(told(POLLOUT | POLLERR, 0), 0);
}

}  // namespace
}  // namespace keel::slirp
