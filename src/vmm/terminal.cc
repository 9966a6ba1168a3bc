// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/terminal.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>

namespace keel {
namespace {

// What a crash handler needs: a handler takes no argument of ours, so this is the one place with process-wide state.
struct CrashRestore {
  std::atomic<int> fd = -1;
  termios saved = {};
};
constinit CrashRestore crash_restore;

// What ends a process and is not the console loop's to take, but for real-time signals.
constexpr std::array kCrashSignals = {SIGSEGV, SIGBUS,  SIGILL,  SIGFPE, SIGABRT,   SIGTRAP, SIGSYS, SIGALRM,  SIGUSR1,
                                      SIGUSR2, SIGXCPU, SIGXFSZ, SIGIO,  SIGVTALRM, SIGPROF, SIGPWR, SIGSTKFLT};
std::array<struct sigaction, kCrashSignals.size()> previous_actions;

// To write to the terminal's settings from the background would stop this process instead.
void set_attributes(int fd, int when, const termios& settings) {
  sigset_t output_stop;
  sigset_t before;
  ::sigemptyset(&output_stop);
  ::sigaddset(&output_stop, SIGTTOU);
  ::pthread_sigmask(SIG_BLOCK, &output_stop, &before);
  ::tcsetattr(fd, when, &settings);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// Async-signal-safe: all that it calls is. SA_RESETHAND has put the default action back.
void restore_and_crash(int signal_number) {
  const int fd = crash_restore.fd.load(std::memory_order_acquire);
  if (fd >= 0) set_attributes(fd, TCSANOW, crash_restore.saved);
  ::raise(signal_number);
}

// A real-time signal with a handler of somebody's, as a vCPU's kick, ends nothing and keeps it, also where it gets it
// later.
void replace_real_time_handlers(sighandler_t from, const struct sigaction& to) {
  for (int signal_number = SIGRTMIN; signal_number <= SIGRTMAX; ++signal_number) {
    struct sigaction now = {};
    ::sigaction(signal_number, nullptr, &now);
    if (now.sa_handler == from) ::sigaction(signal_number, &to, nullptr);
  }
}

void arm_crash_handlers(int fd, const termios& saved) {
  crash_restore.saved = saved;
  crash_restore.fd.store(fd, std::memory_order_release);
  struct sigaction action = {};
  action.sa_handler = restore_and_crash;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (std::size_t i = 0; i < kCrashSignals.size(); ++i) {
    ::sigaction(kCrashSignals[i], nullptr, &previous_actions[i]);
    if (previous_actions[i].sa_handler != SIG_IGN) ::sigaction(kCrashSignals[i], &action, nullptr);
  }
  replace_real_time_handlers(SIG_DFL, action);
}

void disarm_crash_handlers() {
  replace_real_time_handlers(restore_and_crash, {});
  for (std::size_t i = 0; i < kCrashSignals.size(); ++i) ::sigaction(kCrashSignals[i], &previous_actions[i], nullptr);
  crash_restore.fd.store(-1, std::memory_order_release);
}

}  // namespace

Result<RawTerminal> RawTerminal::enter(int fd) {
  termios saved = {};
  if (::tcgetattr(fd, &saved) < 0) {
    if (errno == ENOTTY) return fail(ErrorCode::kInvalidArgument, "descriptor {} is no terminal", fd);
    return std::unexpected(system_error(errno, "read the terminal's settings"));
  }
  termios raw = saved;
  ::cfmakeraw(&raw);
  if (::tcsetattr(fd, TCSANOW, &raw) < 0) {
    return std::unexpected(system_error(errno, "put the terminal into raw mode"));
  }
  arm_crash_handlers(fd, saved);
  return RawTerminal(fd, saved);
}

RawTerminal::~RawTerminal() {
  if (fd_ < 0) return;
  // Not TCSADRAIN: a terminal whose output is stopped would keep us here.
  set_attributes(fd_, TCSANOW, saved_);
  disarm_crash_handlers();
}

}  // namespace keel
