// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/console.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <utility>

#include "keel/base/try.h"
#include "keel/vmm/escape_filter.h"
#include "keel/vmm/machine.h"
#include "keel/vmm/terminal.h"

namespace keel {
namespace {

sigset_t console_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal_number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::sigaddset(&set, signal_number);
  return set;
}

// The wires of one run_console() and the bytes under way.
class ConsoleLoop {
 public:
  // Only somebody at a terminal has an escape key; what comes through a pipe is the guest's to the last byte.
  enum class Escape : std::uint8_t { kNone, kKey };

  ConsoleLoop(Machine& machine, int input_fd, UniqueFd signals, Escape escape) noexcept
      : machine_(machine), input_fd_(input_fd), signals_(std::move(signals)), escape_(escape) {}

  Result<ConsoleResult> run() {
    for (;;) {
      std::array<pollfd, 4> waits = {{{machine_.ended_fd(), POLLIN, 0},
                                      {signals_.get(), POLLIN, 0},
                                      {pending_.empty() ? input_fd_ : -1, POLLIN, 0},
                                      {pending_.empty() ? -1 : machine_.serial_room().fd(), POLLIN, 0}}};
      if (::poll(waits.data(), waits.size(), -1) < 0) {
        if (errno == EINTR) continue;
        return std::unexpected(system_error(errno, "wait for the console"));
      }
      if (waits[0].revents != 0) return ConsoleResult{};
      if (waits[1].revents != 0) return take_signal();
      if (waits[2].revents != 0) read_input();
      if (waits[3].revents != 0) {
        KEEL_TRY_VOID(machine_.serial_room().drain());
        type_pending();
      }
    }
  }

 private:
  ConsoleResult take_signal() {
    signalfd_siginfo info = {};
    if (::read(signals_.get(), &info, sizeof(info)) != sizeof(info)) return {};
    const int signal_number = static_cast<int>(info.ssi_signo);
    machine_.stop(fmt::format("stopped by signal {}", signal_number));
    return {.signal_number = signal_number};
  }

  // End of file and errors alike (a terminal whose other side is gone reports EIO) mean: no more input, ever.
  void read_input() {
    std::array<std::uint8_t, kReadSize> bytes;
    const ssize_t count = ::read(input_fd_, bytes.data(), bytes.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (count <= 0) {
      input_fd_ = -1;
      return;
    }
    const auto typed = std::span(bytes).first(static_cast<std::size_t>(count));
    if (escape_ == Escape::kNone) {
      std::ranges::copy(typed, buffer_.begin());
      pending_ = std::span(buffer_).first(typed.size());
    } else {
      const auto filtered = filter_.filter(typed, buffer_);
      if (filtered.wish == EscapeFilter::Filtered::Wish::kLeave) {
        machine_.stop("left with the escape key");
        return;
      }
      pending_ = std::span(buffer_).first(filtered.size);
    }
    type_pending();
  }

  static constexpr std::size_t kReadSize = 256;

  void type_pending() { pending_ = pending_.subspan(machine_.type(pending_)); }

  Machine& machine_;
  int input_fd_;  // -1 after its end
  UniqueFd signals_;
  Escape escape_;
  EscapeFilter filter_;
  std::array<std::uint8_t, kReadSize + 1> buffer_;  // one more for an escape that the filter kept back
  std::span<const std::uint8_t> pending_;           // of buffer_: read, and not yet taken by the serial port
};

}  // namespace

void FdSerialOutput::write(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      pollfd wait = {fd_, POLLOUT, 0};
      ::poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

Result<void> block_console_signals() {
  const sigset_t set = console_signals();
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return std::unexpected(system_error(error, "block signals"));
  }
  // A reader of our output that goes away is an EPIPE, not the end of the guest.
  std::signal(SIGPIPE, SIG_IGN);
  return {};
}

Result<ConsoleResult> run_console(Machine& machine, int input_fd) {
  const sigset_t set = console_signals();
  UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return std::unexpected(system_error(errno, "signalfd"));

  std::optional<RawTerminal> terminal;
  if (::isatty(input_fd) != 0) {
    KEEL_TRY(RawTerminal raw, RawTerminal::enter(input_fd));
    terminal.emplace(std::move(raw));
  } else if (::fcntl(input_fd, F_GETFD) < 0) {
    input_fd = -1;  // closed by whoever started us
  }
  const auto escape = terminal ? ConsoleLoop::Escape::kKey : ConsoleLoop::Escape::kNone;
  return ConsoleLoop(machine, input_fd, std::move(signals), escape).run();
}

}  // namespace keel
