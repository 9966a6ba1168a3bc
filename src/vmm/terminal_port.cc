// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/vmm/terminal_port.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "keel/base/check.h"

namespace keel {

namespace {

// `fd` may be shared with other processes, which would not like it to stop waiting: opens what it is once more.
UniqueFd reopen_without_waiting(int fd) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0 || !(S_ISCHR(status.st_mode) || S_ISFIFO(status.st_mode))) return UniqueFd();
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  return UniqueFd(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

}  // namespace

TerminalPort::TerminalPort(int output, const EventFd& room)
    : own_(reopen_without_waiting(output)),
      output_(own_ ? own_.get() : output),
      room_(room),
      writable_(output_, Readiness::kWritable) {}

Result<void> TerminalPort::attach(EventLoop& loop, std::weak_ptr<ConsolePortUser> user, std::uint32_t port) {
  user_ = std::move(user);
  port_ = port;
  writable_.start(loop, [this] {
    if (const auto told = user_.lock()) told->output_ready(port_);
  });
  return {};
}

std::size_t TerminalPort::type(std::span<const std::uint8_t> bytes) {
  std::size_t taken = 0;
  {
    const Lock lock(mutex_);
    taken = std::min(bytes.size(), kTypeAhead - typed_.size());
    typed_.insert(typed_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
    refused_ = taken < bytes.size();
  }
  if (const auto told = user_.lock(); told && taken != 0) told->input_ready(port_);
  return taken;
}

std::size_t TerminalPort::read(std::span<std::uint8_t> bytes) {
  const Lock lock(mutex_);
  const std::size_t count = std::min(bytes.size(), typed_.size());
  std::copy_n(typed_.begin(), count, bytes.begin());
  typed_.erase(typed_.begin(), typed_.begin() + static_cast<std::ptrdiff_t>(count));
  if (count != 0 && std::exchange(refused_, false)) {
    check(room_.signal().has_value(), "the machine's own eventfd takes a signal");
  }
  return count;
}

std::size_t TerminalPort::write(std::span<const std::uint8_t> bytes) {
  pollfd wait = {output_, POLLOUT, 0};
  // A file is always ready, and no loop watches one.
  if (::poll(&wait, 1, 0) == 0 && writable_.rearm()) return 0;
  for (;;) {
    // A pipe that polls writable takes this many bytes without waiting.
    const ssize_t count = ::write(output_, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
    if (count > 0) return static_cast<std::size_t>(count);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN && writable_.rearm()) return 0;
    return bytes.size();  // nobody reads any more
  }
}

}  // namespace keel
