// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/bus/grace_period.h"

#include <utility>

#include "src/bus/thread_books.h"
#include "keel/bus/handler_scope.h"

namespace keel::detail {

GracePeriod::GracePeriod(Garbage garbage, std::size_t bytes, std::shared_ptr<std::atomic<std::size_t>> backlog) noexcept
    : garbage_(std::move(garbage)), bytes_(bytes), backlog_(std::move(backlog)) {
  backlog_->fetch_add(bytes_, std::memory_order_relaxed);
}

void GracePeriod::start() {
  self_ = shared_from_this();
  detail::defer(*this);
}

void GracePeriod::run() noexcept {
  const std::shared_ptr<GracePeriod> self = std::move(self_);
  complete();
}

void GracePeriod::complete() noexcept {
  if (claim())
    release();
  else if (!in_io_handler())
    done_.wait(false, std::memory_order_acquire);
}

bool GracePeriod::wait() noexcept {
  if (done()) return true;
  if (in_io_handler()) return false;
  const bool mine = claim();  // first, so that who waits also sees the release
  rcu::synchronize();
  if (mine)
    release();
  else
    done_.wait(false, std::memory_order_acquire);
  return true;
}

void GracePeriod::release() noexcept {
  {
    const HandlerScope scope;
    const Garbage garbage = std::move(garbage_);
  }
  backlog_->fetch_sub(bytes_, std::memory_order_relaxed);
  done_.store(true, std::memory_order_release);
  done_.notify_all();
}

}  // namespace keel::detail
