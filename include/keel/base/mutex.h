// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <mutex>

// Clang checks at compile time that what is guarded is touched only under its lock.
#if defined(__clang__)
#define KEEL_THREAD_ANNOTATION_(x) __attribute__((x))
#else
#define KEEL_THREAD_ANNOTATION_(x)
#endif
#define KEEL_CAPABILITY(name) KEEL_THREAD_ANNOTATION_(capability(name))
#define KEEL_SCOPED_CAPABILITY KEEL_THREAD_ANNOTATION_(scoped_lockable)
#define KEEL_GUARDED_BY(lock) KEEL_THREAD_ANNOTATION_(guarded_by(lock))
#define KEEL_REQUIRES(...) KEEL_THREAD_ANNOTATION_(requires_capability(__VA_ARGS__))
#define KEEL_EXCLUDES(...) KEEL_THREAD_ANNOTATION_(locks_excluded(__VA_ARGS__))
#define KEEL_ACQUIRE(...) KEEL_THREAD_ANNOTATION_(acquire_capability(__VA_ARGS__))
#define KEEL_RELEASE(...) KEEL_THREAD_ANNOTATION_(release_capability(__VA_ARGS__))
#define KEEL_TRY_ACQUIRE(...) KEEL_THREAD_ANNOTATION_(try_acquire_capability(__VA_ARGS__))
#define KEEL_NO_THREAD_SAFETY_ANALYSIS KEEL_THREAD_ANNOTATION_(no_thread_safety_analysis)

namespace keel {

// std::mutex with the annotations that libstdc++'s lacks.
class KEEL_CAPABILITY("mutex") Mutex {
 public:
  void lock() KEEL_ACQUIRE() { mutex_.lock(); }
  void unlock() KEEL_RELEASE() { mutex_.unlock(); }
  bool try_lock() KEEL_TRY_ACQUIRE(true) { return mutex_.try_lock(); }
  // For std::condition_variable.
  [[nodiscard]] std::mutex& native() noexcept { return mutex_; }

 private:
  std::mutex mutex_;
};

// The lock of something that one thread alone uses: costs nothing, protects nothing.
class KEEL_CAPABILITY("mutex") NullMutex {
 public:
  void lock() noexcept KEEL_ACQUIRE() {}
  void unlock() noexcept KEEL_RELEASE() {}
  bool try_lock() noexcept KEEL_TRY_ACQUIRE(true) { return true; }
};

template <typename M>
class KEEL_SCOPED_CAPABILITY Lock {
 public:
  explicit Lock(M& mutex) KEEL_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~Lock() KEEL_RELEASE() { mutex_.unlock(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  M& mutex_;
};

}  // namespace keel
