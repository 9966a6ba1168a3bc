// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "keel/base/error.h"

namespace keel {

class Watch;

// What a descriptor is watched for. Level-triggered: the callback comes again until it has read, or filled, enough. A
// peer that hung up, and an error, count as either.
enum class Readiness : std::uint8_t { kReadable, kWritable };

// Where host events (a rung doorbell, an interrupt that the guest acknowledged, a backend's descriptor) are served.
// Keel brings EpollLoop; a VMM that has a loop of its own implements the two protected functions over that.
class EventLoop {
 public:
  virtual ~EventLoop() = default;

  // Calls `callback` on the loop's thread whenever `fd` is ready, until the Watch is dropped; the watch is dropped
  // before `fd` is closed and before the loop. One watch per descriptor. Callbacks neither throw nor block. From any
  // thread. Errors: those of add().
  [[nodiscard]] Result<Watch> watch(int fd, Readiness readiness, std::function<void()> callback);

  // Whether the caller runs inside one of this loop's callbacks: then it is on the loop's thread.
  [[nodiscard]] bool is_calling() const noexcept;

 protected:
  friend class Watch;
  enum class Registration : std::uint64_t {};

  // Callable from any thread, and from inside a callback. Calls `callback` for one event at a time; what a loop already
  // has in its hands when remove() is called may still come, and goes nowhere (Watch sees to that).
  [[nodiscard]] virtual Result<Registration> add(int fd, Readiness readiness, std::function<void()> callback) = 0;
  virtual void remove(Registration registration) noexcept = 0;
};

// A registration with an EventLoop. Dropping it never waits: no callback begins after that, while one that is under way
// on the loop's thread runs to its end. Move-only; used by one thread at a time.
class [[nodiscard]] Watch {
 public:
  Watch() noexcept = default;
  Watch(Watch&& other) noexcept
      : loop_(std::exchange(other.loop_, nullptr)), registration_(other.registration_), slot_(std::move(other.slot_)) {}
  Watch& operator=(Watch&& other) noexcept;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { drop(); }

  // Drops, and returns once no callback is under way; from inside the callback itself, at once. The caller holds no
  // lock that the callback takes.
  void drop_and_wait() noexcept;

 private:
  friend class EventLoop;
  class Slot;
  Watch(EventLoop& loop, EventLoop::Registration registration, std::shared_ptr<Slot> slot) noexcept
      : loop_(&loop), registration_(registration), slot_(std::move(slot)) {}
  void drop() noexcept;

  EventLoop* loop_ = nullptr;
  EventLoop::Registration registration_{};
  std::shared_ptr<Slot> slot_;
};

}  // namespace keel
