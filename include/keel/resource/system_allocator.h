// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keel/base/error.h"
#include "keel/base/mutex.h"
#include "keel/resource/constraints.h"
#include "keel/resource/detail/system_core.h"
#include "keel/resource/fault_injector.h"
#include "keel/resource/system_spaces.h"

namespace keel {

namespace detail {
template <typename M>
struct SystemShared {
  explicit SystemShared(SystemCore c) : core(std::move(c)) {}
  M mutex;
  SystemCore core KEEL_GUARDED_BY(mutex);
};
}  // namespace detail

// Everything that one owner holds: its instance id and its resources. Gives all of it back when dropped. Move-only; it
// shares ownership of the spaces, so the SystemAllocator may go first. Every member but the accessors takes the
// system's lock; one grant is used by one thread at a time. A failure changes nothing.
template <typename M = NullMutex>
class Grant {
 public:
  Grant() noexcept = default;
  Grant(Grant&&) noexcept = default;
  Grant& operator=(Grant&& other) noexcept {
    if (this == &other) return *this;
    reset();
    shared_ = std::move(other.shared_);
    held_ = std::move(other.held_);
    return *this;
  }
  Grant(const Grant&) = delete;
  Grant& operator=(const Grant&) = delete;
  ~Grant() { reset(); }

  // False once moved from or reset. All below: precondition true.
  [[nodiscard]] explicit operator bool() const noexcept { return shared_ != nullptr; }
  [[nodiscard]] InstanceId id() const noexcept { return held_.id; }
  [[nodiscard]] const std::string& owner() const noexcept { return held_.owner; }
  // In the order of the constraints, then of what was added.
  [[nodiscard]] const DeviceResources& resources() const noexcept { return held_.resources; }

  // Takes more, all or nothing; the result is what was added.
  [[nodiscard]] Result<DeviceResources> extend(const ResourceConstraints& constraints) {
    Lock lock(shared_->mutex);
    Result<DeviceResources> added = shared_->core.extend(held_.id, constraints);
    if (!added) return added;
    for (const Resource& resource : added->all()) held_.resources.add(resource);
    return added;
  }
  // Error: kNotFound where the resource is not one of these.
  Result<void> give_back(const Resource& resource) {
    Lock lock(shared_->mutex);
    Result<void> given = shared_->core.give_back(held_.id, resource);
    if (given) held_.resources.remove(resource);
    return given;
  }
  // `now` instead of `old`, of the same kind: a BAR that moves, vectors that change. The two may overlap, and an MMIO
  // range may change windows. Errors: kNotFound, and those of taking `now`.
  [[nodiscard]] Result<void> move(const Resource& old, const Resource& now) {
    Lock lock(shared_->mutex);
    Result<void> moved = shared_->core.move(held_.id, old, now);
    if (moved) held_.resources.replace(old, now);
    return moved;
  }
  // A move of a PIO or MMIO range in two steps, between which neither place is anybody else's. begin_move() is move(),
  // and keeps what of `old` is not in `now`; then finish_move() gives that back, or undo_move() has all as it was,
  // which cannot fail. Both want the same two resources again.
  [[nodiscard]] Result<void> begin_move(const Resource& old, const Resource& now) {
    Lock lock(shared_->mutex);
    Result<void> moved = shared_->core.begin_move(held_.id, old, now);
    if (moved) held_.resources.replace(old, now);
    return moved;
  }
  void finish_move(const Resource& old, const Resource& now) {
    Lock lock(shared_->mutex);
    shared_->core.finish_move(old, now);
  }
  void undo_move(const Resource& old, const Resource& now) {
    Lock lock(shared_->mutex);
    shared_->core.undo_move(held_.id, old, now);
    held_.resources.replace(now, old);
  }
  // Gives everything back now.
  void reset() {
    if (!shared_) return;
    const std::shared_ptr<Shared> shared = std::move(shared_);
    Lock lock(shared->mutex);
    shared->core.release(held_.id);
  }

 private:
  template <typename>
  friend class SystemAllocator;
  using Shared = detail::SystemShared<M>;
  Grant(std::shared_ptr<Shared> shared, Holding held) noexcept : shared_(std::move(shared)), held_(std::move(held)) {}

  std::shared_ptr<Shared> shared_;
  Holding held_;
};

// A machine's spaces behind one lock, M: NullMutex where one thread manages devices, Mutex (or any lockable) where
// several do. One lock, because a grant takes from several spaces at once or from none.
template <typename M = NullMutex>
class SystemAllocator {
 public:
  // Errors: kInvalidArgument where a window is on the wrong side of 4 GiB, kOverlap where two spaces share numbers.
  // `faults`, for tests, outlives the allocator and its grants.
  [[nodiscard]] static Result<SystemAllocator> create(const SystemConfig& config, FaultInjector* faults = nullptr) {
    Result<detail::SystemCore> core = detail::SystemCore::create(config, faults);
    if (!core) return std::unexpected(std::move(core).error());
    return SystemAllocator(std::move(*core));
  }

  // Takes an instance id (the lowest free one, or `id`) and one resource per constraint, or nothing at all. The error
  // names the constraint by its index and says who is in the way; its code is that of the allocator that refused, or
  // kUnsupported where the machine has no such space.
  [[nodiscard]] Result<Grant<M>> allocate(const ResourceConstraints& constraints, std::string_view owner,
                                          std::optional<InstanceId> id = std::nullopt) {
    Lock lock(shared_->mutex);
    Result<Holding> held = shared_->core.allocate(constraints, owner, id);
    if (!held) return std::unexpected(std::move(held).error());
    return Grant<M>(shared_, std::move(*held));
  }

  // The resource map, by instance id.
  [[nodiscard]] std::vector<Holding> holdings() const {
    Lock lock(shared_->mutex);
    return shared_->core.holdings();
  }
  [[nodiscard]] SystemSnapshot snapshot() const {
    Lock lock(shared_->mutex);
    return shared_->core.snapshot();
  }
  // inspect(const SystemSpaces&) under the lock.
  template <typename F>
  decltype(auto) inspect(F&& function) const {
    Lock lock(shared_->mutex);
    return std::forward<F>(function)(shared_->core.spaces());
  }

 private:
  explicit SystemAllocator(detail::SystemCore core)
      : shared_(std::make_shared<detail::SystemShared<M>>(std::move(core))) {}

  std::shared_ptr<detail::SystemShared<M>> shared_;
};

}  // namespace keel
