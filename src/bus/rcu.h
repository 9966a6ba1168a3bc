// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>

// Read-copy-update, by liburcu. Nothing above this header and rcu_reader.h knows which library or flavour it is.

#if defined(__SANITIZE_THREAD__)
#define KEEL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KEEL_TSAN 1
#endif
#endif

#ifdef KEEL_TSAN
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace keel::detail::rcu {

// ThreadSanitizer does not see liburcu's ordering; these state the one promise of a grace period: what a reader did
// before its unlock happened before the grace period's end.
extern char grace_period_order;
inline void order_before_grace_period() noexcept {
#ifdef KEEL_TSAN
  __tsan_release(&grace_period_order);
#endif
}
inline void order_after_readers() noexcept {
#ifdef KEEL_TSAN
  __tsan_acquire(&grace_period_order);
#endif
}

// Whether this kernel has what the inlined reader needs.
[[nodiscard]] bool has_fast_readers() noexcept;

// Every thread that reads, or defers, is registered for as long as it does. A thread that other code registered with
// the same flavour of liburcu stays that code's to unregister: then register_thread returns false.
[[nodiscard]] bool register_thread() noexcept;
void unregister_thread() noexcept;

// The library's own reader: nests, and fences where it must.
void read_lock() noexcept;
void read_unlock() noexcept;
// How many read_locks the calling thread is inside of, of whatever code.
[[nodiscard]] std::size_t read_depth() noexcept;

// Returns when every reader that was inside at the call has left. Precondition: the calling thread is not reading.
void synchronize() noexcept;

// Something to be done once, by a thread of liburcu's, after a grace period. The object must live until run() is
// called.
class Deferred {
 public:
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  // Never blocks. Precondition: the calling thread is registered; called once.
  void defer() noexcept;

 protected:
  Deferred() noexcept = default;
  virtual ~Deferred() = default;
  virtual void run() noexcept = 0;

 private:
  struct Node;
  alignas(void*) std::byte node_[3 * sizeof(void*)];  // a Node: liburcu's rcu_head and the way back
};

}  // namespace keel::detail::rcu
