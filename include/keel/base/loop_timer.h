// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <chrono>
#include <functional>
#include <utility>

#include "keel/base/error.h"
#include "keel/base/event_loop.h"
#include "keel/base/unique_fd.h"

namespace keel {

// An alarm that an event loop serves. Moving it is fine; dropping it is as dropping a Watch.
class LoopTimer {
 public:
  // `callback` comes on the loop's thread, once per arm(). `loop` outlives the timer. Errors: kIo where the host has no
  // timer left, and those of EventLoop::watch().
  [[nodiscard]] static Result<LoopTimer> create(EventLoop& loop, std::function<void()> callback);

  // Calls back once, `delay` (more than 0) from now, instead of when it was armed for before. From any thread.
  void arm(std::chrono::nanoseconds delay) noexcept;
  // Not again until it is armed; a callback that is on its way may still come. From any thread.
  void disarm() noexcept;
  // As Watch::drop_and_wait().
  void drop_and_wait() noexcept { watch_.drop_and_wait(); }

 private:
  LoopTimer(UniqueFd fd, Watch watch) noexcept : fd_(std::move(fd)), watch_(std::move(watch)) {}

  UniqueFd fd_;
  Watch watch_;  // last: dropped before the descriptor is closed
};

}  // namespace keel
