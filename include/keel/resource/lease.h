// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <utility>

#include "keel/base/check.h"
#include "keel/base/error.h"
#include "keel/base/mutex.h"

namespace keel {

// An allocator whose allocations are values of their own: IdAllocator's runs, AddressAllocator's ranges, and a VMM's
// own kinds that say as much.
template <typename Allocator>
concept Leasable =
    requires(Allocator& allocator, const typename Allocator::Request& request, typename Allocator::Value value) {
      { allocator.allocate(request) } -> std::same_as<Result<typename Allocator::Value>>;
      { allocator.free(value) } -> std::same_as<Result<void>>;
      { allocator.update(value, value) } -> std::same_as<Result<void>>;
    };

namespace detail {
template <Leasable Allocator, typename M>
struct LeaseShared {
  explicit LeaseShared(Allocator a) : allocator(std::move(a)) {}
  M mutex;
  Allocator allocator KEEL_GUARDED_BY(mutex);
};
}  // namespace detail

// Owns what an allocator gave out and gives it back when dropped. Move-only. It shares ownership of the allocator, so
// neither has to outlive the other. With a real mutex as M, leases of one pool may live and die on different threads;
// one lease is used by one thread at a time.
template <Leasable Allocator, typename M = NullMutex>
class Lease {
 public:
  using Value = typename Allocator::Value;

  Lease() noexcept = default;
  Lease(Lease&& other) noexcept
      : shared_(std::move(other.shared_)), value_(std::exchange(other.value_, std::nullopt)) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this == &other) return *this;
    reset();
    shared_ = std::move(other.shared_);
    value_ = std::exchange(other.value_, std::nullopt);
    return *this;
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() { reset(); }

  // False once moved from, released or reset.
  [[nodiscard]] explicit operator bool() const noexcept { return value_.has_value(); }
  // Precondition: it owns something.
  [[nodiscard]] const Value& value() const { return *value_; }

  // Gives up what it owns and takes `now`, or fails and changes nothing. Precondition: it owns something.
  [[nodiscard]] Result<void> update(Value now) {
    Lock lock(shared_->mutex);
    Result<void> moved = shared_->allocator.update(*value_, now);
    if (moved) value_ = now;
    return moved;
  }
  // Lets go without giving back: from now on the caller owes LeasePool::free(). Precondition: it owns something.
  [[nodiscard]] Value release() noexcept {
    shared_.reset();
    return *std::exchange(value_, std::nullopt);
  }
  // Gives back now.
  void reset() {
    if (!value_) return;
    const std::shared_ptr<detail::LeaseShared<Allocator, M>> shared = std::move(shared_);
    Lock lock(shared->mutex);
    check(shared->allocator.free(*std::exchange(value_, std::nullopt)).has_value(),
          "a lease was freed behind its back");
  }

 private:
  template <Leasable, typename>
  friend class LeasePool;
  using Shared = detail::LeaseShared<Allocator, M>;
  Lease(std::shared_ptr<Shared> shared, Value value) noexcept : shared_(std::move(shared)), value_(value) {}

  std::shared_ptr<Shared> shared_;
  std::optional<Value> value_;
};

// An allocator that gives out leases only. M is its lock: NullMutex for one thread, Mutex (or any other) for several;
// every operation takes it once, and nothing of the caller's runs under it but inspect()'s function.
template <Leasable Allocator, typename M = NullMutex>
class LeasePool {
 public:
  explicit LeasePool(Allocator allocator)
      : shared_(std::make_shared<detail::LeaseShared<Allocator, M>>(std::move(allocator))) {}

  [[nodiscard]] Result<Lease<Allocator, M>> allocate(const typename Allocator::Request& request) {
    Lock lock(shared_->mutex);
    Result<typename Allocator::Value> value = shared_->allocator.allocate(request);
    if (!value) return std::unexpected(std::move(value).error());
    return Lease<Allocator, M>(shared_, *value);
  }

  // Gives back what Lease::release() let go.
  Result<void> free(typename Allocator::Value value) {
    Lock lock(shared_->mutex);
    return shared_->allocator.free(value);
  }

  // inspect(const Allocator&) under the lock.
  template <typename F>
  decltype(auto) inspect(F&& function) const {
    Lock lock(shared_->mutex);
    return std::forward<F>(function)(std::as_const(shared_->allocator));
  }

 private:
  std::shared_ptr<detail::LeaseShared<Allocator, M>> shared_;
};

}  // namespace keel
