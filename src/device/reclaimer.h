// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "keel/base/error.h"
#include "keel/base/mutex.h"
#include "keel/bus/removal.h"
#include "keel/device/detachment.h"

namespace keel::detail {

// Ends the detaches that began inside a handler, on a thread that it starts at the first of them. A thread of its own,
// because such a detach may be the last call that the manager ever gets, and because liburcu's thread, which sees the
// grace period's end, must not run a device's code: one that blocks would stop every reclamation of the process.
class Reclaimer {
 public:
  Reclaimer() = default;
  // Ends everything that waits.
  ~Reclaimer();
  Reclaimer(const Reclaimer&) = delete;
  Reclaimer& operator=(const Reclaimer&) = delete;

  // Has the thread run. Error: kExhausted where the host gives none.
  Result<void> start();
  // Calls release() once `readers` says that none is inside. Precondition: start() has succeeded.
  void defer(Completion readers, std::move_only_function<void()> release);
  // Returns when nothing waits and nothing is being ended, including what that deferred in turn. Not from inside a
  // handler.
  void drain();

 private:
  struct Job {
    Completion readers;
    std::move_only_function<void()> release;
  };

  void run();
  // Waits for one; nothing at the end.
  [[nodiscard]] std::optional<Job> next_job();

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Job> jobs_ KEEL_GUARDED_BY(mutex_);  // oldest first: grace periods end in that order
  bool busy_ KEEL_GUARDED_BY(mutex_) = false;     // the thread has a job that is not in jobs_ any more
  bool stopping_ KEEL_GUARDED_BY(mutex_) = false;
  std::thread thread_ KEEL_GUARDED_BY(mutex_);
};

}  // namespace keel::detail
