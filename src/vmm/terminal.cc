// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/terminal.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace keel {
namespace {

// What a crash handler needs: a handler takes no argument of ours, so this is the one place with process-wide state.
struct CrashRestore {
  std::atomic<int> fd = -1;
  termios saved = {};
};
constinit CrashRestore crash_restore;

constexpr int kCrashSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

// Async-signal-safe: tcsetattr and raise are. SA_RESETHAND has put the default action back.
void restore_and_crash(int signal_number) {
  const int fd = crash_restore.fd.load(std::memory_order_acquire);
  if (fd >= 0) ::tcsetattr(fd, TCSANOW, &crash_restore.saved);
  ::raise(signal_number);
}

}  // namespace

Result<RawTerminal> RawTerminal::enter(int fd) {
  termios saved = {};
  if (::tcgetattr(fd, &saved) < 0) {
    if (errno == ENOTTY) return fail(ErrorCode::kInvalidArgument, "descriptor {} is no terminal", fd);
    return std::unexpected(system_error(errno, "read the terminal's settings"));
  }
  crash_restore.saved = saved;
  crash_restore.fd.store(fd, std::memory_order_release);
  struct sigaction action = {};
  action.sa_handler = restore_and_crash;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal_number : kCrashSignals) ::sigaction(signal_number, &action, nullptr);

  termios raw = saved;
  ::cfmakeraw(&raw);
  if (::tcsetattr(fd, TCSANOW, &raw) < 0) {
    return std::unexpected(system_error(errno, "put the terminal into raw mode"));
  }
  return RawTerminal(fd, saved);
}

RawTerminal::~RawTerminal() {
  if (fd_ < 0) return;
  ::tcsetattr(fd_, TCSADRAIN, &saved_);
  crash_restore.fd.store(-1, std::memory_order_release);
}

}  // namespace keel
