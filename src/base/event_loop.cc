// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/event_loop.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "keel/base/try.h"

namespace keel {
namespace {

// Whose callback this thread is inside of.
constinit thread_local const EventLoop* calling_loop = nullptr;

}  // namespace

// What the loop calls instead of the callback itself, so that every loop, also an embedder's, keeps Watch's promises.
class Watch::Slot {
 public:
  Slot(const EventLoop& loop, std::function<void()> callback) : loop_(loop), callback_(std::move(callback)) {}

  void run() {
    {
      const std::lock_guard lock(mutex_);
      if (dropped_) return;
      runner_ = std::this_thread::get_id();
    }
    const EventLoop* const outer = std::exchange(calling_loop, &loop_);
    callback_();
    calling_loop = outer;
    {
      const std::lock_guard lock(mutex_);
      runner_ = {};
    }
    idle_.notify_all();
  }

  void drop() noexcept {
    const std::lock_guard lock(mutex_);
    dropped_ = true;
  }

  void wait() noexcept {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return runner_ == std::thread::id() || runner_ == std::this_thread::get_id(); });
  }

 private:
  std::mutex mutex_;  // a leaf: nothing is called under it
  std::condition_variable idle_;
  bool dropped_ = false;
  std::thread::id runner_;
  const EventLoop& loop_;
  const std::function<void()> callback_;
};

Result<Watch> EventLoop::watch(int fd, Readiness readiness, std::function<void()> callback) {
  auto slot = std::make_shared<Watch::Slot>(*this, std::move(callback));
  KEEL_TRY(const Registration registration, add(fd, readiness, [slot] { slot->run(); }));
  return Watch(*this, registration, std::move(slot));
}

bool EventLoop::is_calling() const noexcept {
  return calling_loop == this;
}

Watch& Watch::operator=(Watch&& other) noexcept {
  if (this == &other) return *this;
  drop();
  loop_ = std::exchange(other.loop_, nullptr);
  registration_ = other.registration_;
  slot_ = std::move(other.slot_);
  return *this;
}

void Watch::drop() noexcept {
  if (loop_ == nullptr) return;
  slot_->drop();
  std::exchange(loop_, nullptr)->remove(registration_);
  slot_.reset();
}

void Watch::drop_and_wait() noexcept {
  const std::shared_ptr<Slot> slot = slot_;
  drop();
  if (slot) slot->wait();
}

}  // namespace keel
