// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "keel/base/error.h"
#include "keel/base/event_fd.h"
#include "keel/base/event_loop.h"
#include "keel/base/mutex.h"
#include "keel/base/unique_fd.h"

namespace keel {

// Keel's EventLoop, over epoll(7). It has no thread of its own: the caller brings one (EventThread does).
class EpollLoop final : public EventLoop {
 public:
  [[nodiscard]] static Result<std::unique_ptr<EpollLoop>> create();

  // Waits up to `timeout` (negative: for ever) until something is ready, serves what is, and returns how many callbacks
  // it called. By one thread at a time; not from inside a callback.
  Result<std::size_t> serve(std::chrono::milliseconds timeout);
  // Serves until stop(). The same conditions.
  Result<void> run();
  // Ends the run() under way, or the next one. From any thread, and from inside a callback.
  void stop() noexcept;

 protected:
  [[nodiscard]] Result<Registration> add(int fd, Readiness readiness, std::function<void()> callback) override;
  void remove(Registration registration) noexcept override;

 private:
  struct Entry {
    int fd;
    std::function<void()> callback;
  };

  EpollLoop(UniqueFd epoll, EventFd stop_event) noexcept
      : epoll_(std::move(epoll)), stop_event_(std::move(stop_event)) {}
  bool call(std::uint64_t key);

  UniqueFd epoll_;
  EventFd stop_event_;
  Mutex mutex_;  // a leaf: no callback runs under it
  // By a number that is never used twice, so that an event of a descriptor long gone finds nobody.
  std::unordered_map<std::uint64_t, std::shared_ptr<const Entry>> entries_ KEEL_GUARDED_BY(mutex_);
  std::uint64_t next_key_ KEEL_GUARDED_BY(mutex_) = 1;
};

}  // namespace keel
