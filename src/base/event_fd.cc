// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/event_fd.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace keel {

Result<EventFd> EventFd::create() {
  UniqueFd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd) return std::unexpected(system_error(errno, "eventfd"));
  return EventFd(std::move(fd));
}

Result<void> EventFd::signal(std::uint64_t count) const {
  while (::write(fd_.get(), &count, sizeof(count)) < 0) {
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return {};
    return std::unexpected(system_error(errno, "signal eventfd"));
  }
  return {};
}

Result<std::uint64_t> EventFd::drain() const {
  std::uint64_t count = 0;
  while (::read(fd_.get(), &count, sizeof(count)) < 0) {
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return 0;
    return std::unexpected(system_error(errno, "drain eventfd"));
  }
  return count;
}

bool EventFd::is_signalled() const noexcept {
  pollfd poll = {.fd = fd_.get(), .events = POLLIN, .revents = 0};
  int ready = 0;
  do ready = ::poll(&poll, 1, 0);
  while (ready < 0 && errno == EINTR);
  return ready > 0 && (poll.revents & POLLIN) != 0;
}

}  // namespace keel
