// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "keel/base/epoll_loop.h"
#include "keel/base/error.h"

namespace keel {

// An EpollLoop on a thread of its own, from start() until it is dropped. Watches of the loop are dropped before it, and
// it is not dropped by one of its own callbacks. The thread takes no signal that is meant for the process.
class EventThread {
 public:
  // `name` is the thread's, of which the host keeps 15 characters. Error kExhausted where the host has no thread left.
  [[nodiscard]] static Result<std::unique_ptr<EventThread>> start(const std::string& name);
  EventThread(const EventThread&) = delete;
  EventThread& operator=(const EventThread&) = delete;
  ~EventThread();

  [[nodiscard]] EventLoop& loop() noexcept { return *loop_; }

 private:
  explicit EventThread(std::unique_ptr<EpollLoop> loop) noexcept : loop_(std::move(loop)) {}

  std::unique_ptr<EpollLoop> loop_;
  std::thread thread_;
};

}  // namespace keel
