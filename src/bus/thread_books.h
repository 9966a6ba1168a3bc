// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>

#include "src/bus/books.h"
#include "src/bus/rcu.h"

namespace keel::detail {

// What an access needs of its thread, when the thread dispatched for the same manager last time. Empty otherwise, and
// always where the inlined reader would be wrong (rcu.h).
struct ThreadView {
  const Books* books = nullptr;
  OwnedCounter* cells = nullptr;
  Book* book = nullptr;
};
// Hidden, so that an access in an executable finds it at a fixed place in the thread's own block.
[[gnu::visibility("hidden")]] extern constinit thread_local ThreadView thread_view;

class ThreadBooks;

// The calling thread made ready to dispatch for one manager: registered as a reader, with a book open, and both until
// it ends. A thread that dispatches while its thread-locals are being destroyed is made ready for that one time.
class ThreadReady {
 public:
  explicit ThreadReady(const std::shared_ptr<Books>& books);
  ~ThreadReady();
  ThreadReady(const ThreadReady&) = delete;
  ThreadReady& operator=(const ThreadReady&) = delete;

  [[nodiscard]] const ThreadView& view() const noexcept { return view_; }

 private:
  std::unique_ptr<ThreadBooks> once_;
  ThreadView view_;
};

// Starts `deferred` from any thread, registering it where it is not.
void defer(rcu::Deferred& deferred);

}  // namespace keel::detail
