// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/console.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "keel/base/check.h"
#include "keel/base/try.h"
#include "keel/vmm/escape_filter.h"
#include "keel/vmm/machine.h"
#include "keel/vmm/terminal.h"

namespace keel {
namespace {

// What polite people end a program by, and what a terminal that was resized sends; not what this process was started to
// ignore (nohup, a shell's background job).
sigset_t console_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal_number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH}) {
    struct sigaction action = {};
    ::sigaction(signal_number, nullptr, &action);
    if (action.sa_handler != SIG_IGN) ::sigaddset(&set, signal_number);
  }
  return set;
}

// Of the terminal, as its owner set it; nothing where it has none.
std::optional<TerminalSize> terminal_size(int fd) {
  winsize size = {};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return std::nullopt;
  return TerminalSize{.columns = size.ws_col, .rows = size.ws_row};
}

// Whether to touch the terminal would stop this process: it is that of this session, whose foreground is another's.
bool is_in_background_of(int terminal) {
  const pid_t foreground = ::tcgetpgrp(terminal);
  return foreground < 0 ? errno != ENOTTY : foreground != ::getpgrp();
}

// The wires of one run_console() and the bytes under way.
class ConsoleLoop {
 public:
  // Only somebody at a terminal has an escape key; what comes through a pipe is the guest's to the last byte.
  enum class Input : std::uint8_t { kPlain, kTerminal };

  ConsoleLoop(Machine& machine, FdSerialOutput& output, int input_fd, UniqueFd signals, Input input) noexcept
      : machine_(machine), output_(output), input_fd_(input_fd), signals_(std::move(signals)), input_(input) {}

  Result<ConsoleResult> run() {
    follow_size();
    for (;;) {
      std::array<pollfd, 4> waits = {{{machine_.ended_fd(), POLLIN, 0},
                                      {signals_.get(), POLLIN, 0},
                                      {wants_input() ? input_fd_ : -1, POLLIN, 0},
                                      {pending_.empty() ? -1 : machine_.serial_room().fd(), POLLIN, 0}}};
      if (::poll(waits.data(), waits.size(), port_is_busy_ ? kBusyRetry : -1) < 0) {
        if (errno == EINTR) continue;
        return std::unexpected(system_error(errno, "wait for the console"));
      }
      if (waits[0].revents != 0) {
        output_.abandon();  // a vCPU may still wait for a reader
        return ConsoleResult{};
      }
      if (waits[1].revents != 0) {
        const auto signal_number = take_signal();
        if (signal_number == SIGWINCH) {
          follow_size();
        } else if (signal_number) {
          stop(fmt::format("stopped by signal {}", *signal_number));
          return ConsoleResult{.signal_number = *signal_number};
        }
      }
      if (waits[2].revents != 0) read_input();
      if (waits[3].revents != 0) KEEL_TRY_VOID(machine_.serial_room().drain());
      if (!pending_.empty()) type_pending();
    }
  }

 private:
  static constexpr std::size_t kReadSize = 256;
  static constexpr std::size_t kTypeAhead = 4096;
  static constexpr int kBusyRetry = 5;  // ms, after a vCPU was found inside the port

  // A pipe waits while the guest does not read. A terminal is read all the same: the escape key must get through.
  [[nodiscard]] bool wants_input() const noexcept { return input_ == Input::kTerminal || pending_.empty(); }

  std::optional<int> take_signal() const {
    signalfd_siginfo info = {};
    if (::read(signals_.get(), &info, sizeof(info)) != sizeof(info)) return std::nullopt;
    return static_cast<int>(info.ssi_signo);
  }

  void follow_size() {
    if (input_ != Input::kTerminal) return;
    if (const auto size = terminal_size(input_fd_)) machine_.resize(*size);
  }

  void stop(std::string reason) {
    output_.abandon();
    machine_.stop(std::move(reason));
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
    if (input_ == Input::kPlain) {
      pending_.insert(pending_.end(), typed.begin(), typed.end());
      return;
    }
    std::array<std::uint8_t, kReadSize + 1> kept;  // one more for an escape that the filter kept back
    const auto filtered = filter_.filter(typed, kept);
    const std::size_t room = kTypeAhead - std::min(kTypeAhead, pending_.size());
    pending_.insert(pending_.end(), kept.begin(),
                    kept.begin() + static_cast<std::ptrdiff_t>(std::min(room, filtered.size)));
    if (filtered.wish == EscapeFilter::Filtered::Wish::kLeave) stop("left with the escape key");
  }

  void type_pending() {
    const auto taken = machine_.type(pending_);
    port_is_busy_ = !taken;
    if (taken) pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(*taken));
    // The port says on serial_room() when it has room for the rest.
  }

  Machine& machine_;
  FdSerialOutput& output_;
  int input_fd_;  // -1 after its end
  UniqueFd signals_;
  Input input_;
  EscapeFilter filter_;
  std::vector<std::uint8_t> pending_;  // read, and not yet taken by the serial port
  bool port_is_busy_ = false;          // a vCPU was inside the port when we wanted to type
};

}  // namespace

Result<FdSerialOutput> FdSerialOutput::create(int fd) {
  KEEL_TRY(EventFd abandoned, EventFd::create());
  return FdSerialOutput(fd, std::move(abandoned));
}

void FdSerialOutput::write(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    std::array<pollfd, 2> waits = {{{fd_, POLLOUT, 0}, {abandoned_.fd(), POLLIN, 0}}};
    if (::poll(waits.data(), waits.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return;
    }
    if (waits[1].revents != 0) return;
    // A pipe that polls writable takes this many bytes without waiting.
    const ssize_t count = ::write(fd_, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
    if (count >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    } else if (errno != EINTR && errno != EAGAIN) {
      return;
    }
  }
}

void FdSerialOutput::abandon() {
  // Never drained: once is for ever.
  const auto signalled = abandoned_.signal();
  check(signalled.has_value(), "the console's own eventfd takes a signal");
}

Result<void> block_console_signals() {
  const sigset_t set = console_signals();
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return std::unexpected(system_error(error, "block signals"));
  }
  std::signal(SIGPIPE, SIG_IGN);
  return {};
}

Result<ConsoleResult> run_console(Machine& machine, FdSerialOutput& output, int input_fd) {
  const sigset_t set = console_signals();
  UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return std::unexpected(system_error(errno, "signalfd"));

  std::optional<RawTerminal> terminal;
  auto input = ConsoleLoop::Input::kPlain;
  if (::isatty(input_fd) != 0) {
    if (is_in_background_of(input_fd)) {
      input_fd = -1;
    } else {
      KEEL_TRY(RawTerminal raw, RawTerminal::enter(input_fd));
      terminal.emplace(std::move(raw));
      input = ConsoleLoop::Input::kTerminal;
    }
  } else if (::fcntl(input_fd, F_GETFD) < 0) {
    input_fd = -1;
  }
  KEEL_TRY_VOID(machine.start());
  return ConsoleLoop(machine, output, input_fd, std::move(signals), input).run();
}

}  // namespace keel
