// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <poll.h>

#include <slirp/libslirp.h>

namespace keel::slirp {

// What poll(2) is to look for, where libslirp wants `wanted` (SLIRP_POLL_…).
inline short to_poll(int wanted) {
  int result = 0;
  if ((wanted & SLIRP_POLL_IN) != 0) result |= POLLIN;
  if ((wanted & SLIRP_POLL_OUT) != 0) result |= POLLOUT;
  if ((wanted & SLIRP_POLL_PRI) != 0) result |= POLLPRI;
  if ((wanted & SLIRP_POLL_ERR) != 0) result |= POLLERR;
  if ((wanted & SLIRP_POLL_HUP) != 0) result |= POLLHUP;
  return static_cast<short>(result);
}

// What libslirp is told of it (SLIRP_POLL_…).
//
// It reads from a connection that hung up or failed, and asserts that it has room for what it reads. Where it has none
// it does not ask to read, but poll(2) reports these two unasked: they are told as what it did ask for then. The write
// that follows finds the same error.
inline int from_poll(const pollfd& polled) {
  const bool reads = (polled.events & POLLIN) != 0;
  const bool ended = (polled.revents & (POLLERR | POLLHUP)) != 0;
  int result = 0;
  if ((polled.revents & POLLIN) != 0) result |= SLIRP_POLL_IN;
  if ((polled.revents & POLLOUT) != 0 || (ended && !reads)) result |= SLIRP_POLL_OUT;
  if ((polled.revents & POLLPRI) != 0) result |= SLIRP_POLL_PRI;
  if ((polled.revents & POLLERR) != 0 && reads) result |= SLIRP_POLL_ERR;
  if ((polled.revents & POLLHUP) != 0 && reads) result |= SLIRP_POLL_HUP;
  return result;
}

}  // namespace keel::slirp
