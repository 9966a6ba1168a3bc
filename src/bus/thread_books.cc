// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/bus/thread_books.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

namespace keel::detail {

constinit thread_local ThreadView thread_view;

namespace {

// Set when the thread's attachments have been destroyed; read by whatever runs later at its end.
constinit thread_local bool thread_ended = false;

// As the host's own tools call it.
std::string host_name_of_this_thread() {
  std::array<char, 16> name = {};
  (void)::pthread_getname_np(::pthread_self(), name.data(), name.size());
  return fmt::format("{} ({})", name.data(), syscall(SYS_gettid));
}

}  // namespace

// The books one thread has open, and its registration as a reader.
class ThreadBooks {
 public:
  ThreadBooks() : registered_(rcu::register_thread()) {}
  ~ThreadBooks() {
    thread_view = {};
    for (const Open& open : open_) open.books->close_book(*open.book);
    if (registered_) rcu::unregister_thread();
  }
  ThreadBooks(const ThreadBooks&) = delete;
  ThreadBooks& operator=(const ThreadBooks&) = delete;

  Book& of(const std::shared_ptr<Books>& books) {
    const auto it = std::ranges::find(open_, books, &Open::books);
    if (it != open_.end()) return *it->book;
    std::erase_if(open_, [](const Open& open) {
      if (!open.books->retired()) return false;
      open.books->close_book(*open.book);
      return true;
    });
    Book& book = books->open_book();
    books->name_book(book, host_name_of_this_thread());
    open_.push_back({books, &book});
    return book;
  }

 private:
  struct Open {
    std::shared_ptr<Books> books;
    Book* book;
  };
  const bool registered_;
  std::vector<Open> open_;
};

namespace {

struct AtThreadEnd {
  ThreadBooks books;
  ~AtThreadEnd() { thread_ended = true; }
};

ThreadBooks& this_threads() {
  thread_local AtThreadEnd at_end;
  return at_end.books;
}

}  // namespace

ThreadReady::ThreadReady(const std::shared_ptr<Books>& books)
    : once_(thread_ended ? std::make_unique<ThreadBooks>() : nullptr) {
  Book& book = (once_ ? *once_ : this_threads()).of(books);
  view_ = {books.get(), book.cells(), &book};
  if (!once_ && rcu::has_fast_readers()) thread_view = view_;
}

ThreadReady::~ThreadReady() = default;

void defer(rcu::Deferred& deferred) {
  std::optional<ThreadBooks> once;
  if (thread_ended)
    once.emplace();
  else
    (void)this_threads();
  deferred.defer();
}

}  // namespace keel::detail
