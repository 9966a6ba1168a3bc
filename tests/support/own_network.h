// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include "keel/base/unique_fd.h"

namespace keel::testing {

inline constexpr int kNotAllowed = 77;

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
inline void make_tap(const std::string& name, int flags) {
  const UniqueFd control(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq request = {};
  std::ranges::copy(name, request.ifr_name);
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags);
  if (!control || ::ioctl(control.get(), TUNSETIFF, &request) != 0 || ::ioctl(control.get(), TUNSETPERSIST, 1) != 0)
    ::_exit(kNotAllowed);
}

}  // namespace keel::testing
