// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "src/bus/draft.h"
#include "src/bus/grace_period.h"
#include "keel/base/mutex.h"
#include "keel/base/try.h"
#include "keel/bus/removal.h"

namespace keel::detail {

// The registries of both buses, and what is published of them.
//
// Lock order: mutex_, then the mutex of Books or of SlotPool. No device is called and nothing is waited for under any,
// so whoever holds a device's lock, or is inside a handler, may take them.
class IoManagerCore {
 public:
  IoManagerCore();
  ~IoManagerCore();
  IoManagerCore(const IoManagerCore&) = delete;
  IoManagerCore& operator=(const IoManagerCore&) = delete;

  // What an access sees. Read under RCU; changed under mutex_.
  [[nodiscard]] const Snapshot* current() const noexcept { return current_.load(std::memory_order_acquire); }
  [[nodiscard]] const std::shared_ptr<Books>& books() const noexcept { return books_; }

  // Calls f(registry of A's bus) under the lock.
  template <typename A, typename F>
  auto with_registry(F&& f) const {
    const Lock lock(mutex_);
    if constexpr (std::same_as<A, PioAddress>)
      return std::forward<F>(f)(std::as_const(pio_));
    else
      return std::forward<F>(f)(std::as_const(mmio_));
  }

  // Calls f(registry of ports, registry of memory) under the lock.
  template <typename F>
  auto with_registries(F&& f) const {
    const Lock lock(mutex_);
    return std::forward<F>(f)(std::as_const(pio_), std::as_const(mmio_));
  }

  // Publishes both drafts and empties them, or changes nothing.
  [[nodiscard]] Result<Completion> commit(Draft<PioAddress>& pio, Draft<MmioAddress>& mmio);

  template <typename A>
  [[nodiscard]] Result<std::unique_ptr<Registered<A>>> make_entry(Range<A> range, std::shared_ptr<DeviceOn<A>> device,
                                                                  std::string owner) const {
    KEEL_TRY(auto line, Line<A>::open(books_));
    return std::make_unique<Registered<A>>(BusEntry<A>(range, std::move(device), std::move(owner)), std::move(line));
  }

 private:
  // Bytes of garbage that may wait for readers. A handler that stays inside for long lets it grow; then management
  // waits, or fails where it must not.
  static constexpr std::size_t kMaxBacklog = 64u << 20;

  Result<void> bound_backlog() KEEL_EXCLUDES(mutex_);
  // Lets go of the garbage as soon as no reader can see it.
  Completion retire(Garbage garbage, std::size_t bytes) KEEL_EXCLUDES(mutex_);
  // Every grace period that is not over, which is taken off the list.
  std::vector<std::shared_ptr<GracePeriod>> take_pending() KEEL_EXCLUDES(mutex_);

  const std::shared_ptr<SlotPool> pool_;
  std::atomic<const Snapshot*> current_;
  const std::shared_ptr<Books> books_;
  const std::shared_ptr<std::atomic<std::size_t>> backlog_;

  mutable Mutex mutex_;
  Registry<PioAddress> pio_ KEEL_GUARDED_BY(mutex_);
  Registry<MmioAddress> mmio_ KEEL_GUARDED_BY(mutex_);
  // Grace periods that may not be done, oldest first.
  std::deque<std::weak_ptr<GracePeriod>> pending_ KEEL_GUARDED_BY(mutex_);
};

}  // namespace keel::detail
