// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/loop_timer.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel {
namespace {

void set(int fd, std::chrono::nanoseconds delay) noexcept {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(delay);
  itimerspec when = {};
  when.it_value.tv_sec = seconds.count();
  when.it_value.tv_nsec = (delay - seconds).count();
  check(::timerfd_settime(fd, 0, &when, nullptr) == 0, "a timer takes a delay that is not negative");
}

}  // namespace

Result<LoopTimer> LoopTimer::create(EventLoop& loop, std::function<void()> callback) {
  UniqueFd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!fd) return std::unexpected(system_error(errno, "timerfd_create"));
  KEEL_TRY(Watch watch, loop.watch(fd.get(), Readiness::kReadable, [timer = fd.get(), callback = std::move(callback)] {
    std::uint64_t expirations = 0;
    // Nothing to read: it was armed anew, or disarmed, since the loop saw it.
    if (::read(timer, &expirations, sizeof(expirations)) == sizeof(expirations)) callback();
  }));
  return LoopTimer(std::move(fd), std::move(watch));
}

void LoopTimer::arm(std::chrono::nanoseconds delay) noexcept {
  check(delay.count() > 0, "a timer is armed for later");
  set(fd_.get(), delay);
}

void LoopTimer::disarm() noexcept {
  set(fd_.get(), {});
}

}  // namespace keel
