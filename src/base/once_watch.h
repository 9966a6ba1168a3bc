// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <functional>
#include <utility>

#include "keel/base/error.h"
#include "keel/base/event_loop.h"
#include "keel/base/mutex.h"

namespace keel {

// Says that a descriptor is ready once, and again only after rearm(). While it is not asked to, it takes itself out of
// the loop only where the descriptor stays ready: traffic that is served to its end costs no system call here.
//
// Any thread. Its lock comes before the loop's; the callback runs under none.
class OnceWatch {
 public:
  // `fd` outlives this, and nobody else watches it there.
  OnceWatch(int fd, Readiness readiness) noexcept : fd_(fd), readiness_(readiness) {}
  ~OnceWatch() { stop_and_wait(); }
  OnceWatch(const OnceWatch&) = delete;
  OnceWatch& operator=(const OnceWatch&) = delete;

  // Not armed yet. Replaces an earlier callback. `loop` outlives this, and is always the same.
  void start(EventLoop& loop, std::function<void()> callback) {
    const Lock lock(mutex_);
    loop_ = &loop;
    callback_ = std::move(callback);
    armed_ = false;
  }
  // Error: the loop's, and then it stays unarmed.
  Result<void> rearm() {
    const Lock lock(mutex_);
    if (!callback_) return {};
    armed_ = true;
    if (watching_) return {};
    auto watch = loop_->watch(fd_, readiness_, [this] { ready(); });
    if (!watch) {
      armed_ = false;
      return std::unexpected(std::move(watch).error());
    }
    watch_ = std::move(*watch);
    watching_ = true;
    return {};
  }
  // Does not wait for a callback under way. The loop's watch stays until it is ready next, or until the end, which
  // can so wait for that callback.
  void stop() noexcept {
    const Lock lock(mutex_);
    callback_ = nullptr;
    armed_ = false;
  }
  void stop_and_wait() noexcept {
    Watch watch;
    {
      const Lock lock(mutex_);
      callback_ = nullptr;
      armed_ = false;
      watching_ = false;
      watch = std::move(watch_);
    }
    watch.drop_and_wait();
  }

 private:
  void ready() {
    std::function<void()> callback;
    {
      const Lock lock(mutex_);
      if (!std::exchange(armed_, false)) {
        watch_ = Watch();
        watching_ = false;
        return;  // touches nothing more: the end does not wait for this one
      }
      callback = callback_;
    }
    if (callback) callback();
  }

  const int fd_;
  const Readiness readiness_;
  Mutex mutex_;
  EventLoop* loop_ KEEL_GUARDED_BY(mutex_) = nullptr;
  std::function<void()> callback_ KEEL_GUARDED_BY(mutex_);
  Watch watch_ KEEL_GUARDED_BY(mutex_);
  bool watching_ KEEL_GUARDED_BY(mutex_) = false;
  bool armed_ KEEL_GUARDED_BY(mutex_) = false;
};

}  // namespace keel
