// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The way of an access (keel/bus/io_manager.h). Nothing here waits, allocates, throws, takes a lock or writes a cache
// line that another thread's access writes; the first access of a thread alone goes through ThreadReady. The one shared
// word that an access may ever write is liburcu's: the first access to end while somebody sleeps until all that were
// under way are over wakes him.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "src/bus/access_count.h"
#include "src/bus/io_manager_core.h"
#include "src/bus/rcu_reader.h"
#include "src/bus/thread_books.h"
#include "keel/bus/io_manager.h"

namespace keel {

namespace detail {

namespace {

// A route keeps its device as an address; it is const to the table, not to the access.
template <typename Device>
Device* device_at(const void* target) noexcept {
  return const_cast<Device*>(static_cast<const Device*>(target));
}

// How the accesses of one bus in one direction differ.
struct PioRead {
  using A = PioAddress;
  using Data = std::span<std::uint8_t>;
  static constexpr Direction kDirection = Direction::kRead;
  static constexpr Column kCount = Column::kReads, kTicks = Column::kReadTicks;
  static void call(const void* target, PioAddress base, std::uint64_t offset, Data data) {
    device_at<DevicePio>(target)->pio_read(base, static_cast<std::uint16_t>(offset), data);
  }
};
struct PioWrite {
  using A = PioAddress;
  using Data = std::span<const std::uint8_t>;
  static constexpr Direction kDirection = Direction::kWrite;
  static constexpr Column kCount = Column::kWrites, kTicks = Column::kWriteTicks;
  static void call(const void* target, PioAddress base, std::uint64_t offset, Data data) {
    device_at<DevicePio>(target)->pio_write(base, static_cast<std::uint16_t>(offset), data);
  }
};
struct MmioRead {
  using A = MmioAddress;
  using Data = std::span<std::uint8_t>;
  static constexpr Direction kDirection = Direction::kRead;
  static constexpr Column kCount = Column::kReads, kTicks = Column::kReadTicks;
  static void call(const void* target, MmioAddress base, std::uint64_t offset, Data data) {
    device_at<DeviceMmio>(target)->mmio_read(base, offset, data);
  }
};
struct MmioWrite {
  using A = MmioAddress;
  using Data = std::span<const std::uint8_t>;
  static constexpr Direction kDirection = Direction::kWrite;
  static constexpr Column kCount = Column::kWrites, kTicks = Column::kWriteTicks;
  static void call(const void* target, MmioAddress base, std::uint64_t offset, Data data) {
    device_at<DeviceMmio>(target)->mmio_write(base, offset, data);
  }
};

template <typename Access>
[[gnu::always_inline]] inline const BusIndex& index_for(const Snapshot& snapshot) noexcept {
  if constexpr (std::same_as<typename Access::A, PioAddress>)
    return snapshot.pio;
  else
    return snapshot.mmio;
}

// `offset` is that of the access in its range, which the caller has by now.
template <typename Access>
[[gnu::always_inline]] inline void call(const Route& route, std::uint64_t address, std::uint64_t offset,
                                        typename Access::Data data) noexcept {
  using A = typename Access::A;
  Access::call(route.target, A(static_cast<typename A::Value>(address - offset)), offset, data);
}

template <typename Access>
[[gnu::noinline]] void timed_call(const Route& route, const ThreadView& view, std::uint64_t address,
                                  typename Access::Data data) noexcept {
  OwnedCounter& counter = Book::at(view.cells, route.cell, Access::kCount);
  const std::uint64_t kept = counter.load();
  counter.store(AccessCount::kept(AccessCount::of(kept) + 1));
  OwnedCounter& sum = Book::at(view.cells, route.cell, Access::kTicks);
  const std::uint64_t start = ticks();
  call<Access>(route, address, address - route.first, data);
  sum.add((ticks() - start) * AccessCount::weight(kept));
}

template <typename Access>
[[gnu::always_inline]] inline void claimed(const Route& route, const ThreadView& view, std::uint64_t address,
                                           typename Access::Data data) noexcept {
  const std::uint64_t offset = address - route.first;
  OwnedCounter& counter = Book::at(view.cells, route.cell, Access::kCount);
  const std::uint64_t kept = counter.load();
  if (AccessCount::next_is_timed(kept)) [[unlikely]] {
    timed_call<Access>(route, view, address, data);
  } else {
    counter.store(kept + 1);
    call<Access>(route, address, offset, data);
  }
}

// What nobody answers, by the sizes a vCPU uses without a call.
inline void fill_with_ones(std::span<std::uint8_t> data) noexcept {
  constexpr std::uint64_t kOnes = ~std::uint64_t{0};
  switch (data.size()) {
    case 1: std::memcpy(data.data(), &kOnes, 1); break;
    case 2: std::memcpy(data.data(), &kOnes, 2); break;
    case 4: std::memcpy(data.data(), &kOnes, 4); break;
    case 8: std::memcpy(data.data(), &kOnes, 8); break;
    default: std::ranges::fill(data, std::uint8_t{0xff});
  }
}

template <typename Access>
Dispatch unclaimed(const ThreadView& view, std::uint64_t address, typename Access::Data data) noexcept {
  constexpr bool kPio = std::same_as<typename Access::A, PioAddress>;
  (kPio ? view.book->pio_unclaimed : view.book->mmio_unclaimed).count(address, Access::kDirection);
  if constexpr (Access::kDirection == Direction::kRead) fill_with_ones(data);
  return Dispatch::kUnclaimed;
}

// Where the first candidate does not hold the access: a fork, everything, or nobody.
template <typename Access>
[[gnu::always_inline]] inline Dispatch serve_further(const Route& candidate, const ThreadView& view,
                                                     std::uint64_t address, typename Access::Data data) noexcept {
  const Route& route = resolve(candidate, address);
  if (!route.claims(address, data.size())) return unclaimed<Access>(view, address, data);
  claimed<Access>(route, view, address, data);
  return Dispatch::kClaimed;
}

}  // namespace

struct IoDispatch {
  // A thread's first access to this manager, an access from inside a handler, and every access where the inlined
  // reader is wrong.
  template <typename Access>
  [[gnu::noinline]] static Dispatch slow(const IoManagerCore& core, std::uint64_t address,
                                         typename Access::Data data) noexcept {
    const ThreadReady ready(core.books());
    const ThreadView view = ready.view();
    if (rcu::read_depth() >= IoManager::kMaxNesting) {
      view.book->too_deep.add(1);
      return unclaimed<Access>(view, address, data);
    }
    rcu::read_lock();
    const Route& route = index_for<Access>(*core.current()).candidate(address);
    const Dispatch result = serve_further<Access>(route, view, address, data);
    rcu::read_unlock();
    return result;
  }

  // For `target` alone, as the bus has it.
  template <typename Access>
  static Dispatch access_of(const IoManager& manager, const void* target, typename Access::A address,
                            typename Access::Data data) noexcept {
    const IoManagerCore& core = *manager.core_;
    const ThreadReady ready(core.books());
    if (rcu::read_depth() >= IoManager::kMaxNesting) {
      ready.view().book->too_deep.add(1);
      return Dispatch::kUnclaimed;
    }
    rcu::read_lock();
    const Route& route = resolve(index_for<Access>(*core.current()).candidate(address.value()), address.value());
    Dispatch result = Dispatch::kUnclaimed;
    if (route.target == target && route.claims(address.value(), data.size())) {
      claimed<Access>(route, ready.view(), address.value(), data);
      result = Dispatch::kClaimed;
    }
    rcu::read_unlock();
    return result;
  }

  // The end of an access inside the inlined reader.
  template <typename Access>
  [[gnu::noinline]] static Dispatch further(const Route& candidate, std::uint64_t address,
                                            typename Access::Data data) noexcept {
    const Dispatch result = serve_further<Access>(candidate, thread_view, address, data);
    rcu::unlock_outermost();
    return result;
  }

  template <typename Access>
  [[gnu::always_inline]] static Dispatch access(const IoManager& manager, typename Access::A address,
                                                typename Access::Data data) noexcept {
    const IoManagerCore& core = *manager.core_;
    if (thread_view.books != core.books().get() || !rcu::lock_outermost()) [[unlikely]]
      return slow<Access>(core, address.value(), data);
    const Route& route = index_for<Access>(*core.current()).candidate(address.value());
    if (!route.holds(address.value(), data.size())) [[unlikely]]
      return further<Access>(route, address.value(), data);
    claimed<Access>(route, thread_view, address.value(), data);
    rcu::unlock_outermost();
    return Dispatch::kClaimed;
  }
};

}  // namespace detail

Dispatch IoManager::pio_read(PioAddress address, std::span<std::uint8_t> data) const noexcept {
  return detail::IoDispatch::access<detail::PioRead>(*this, address, data);
}

Dispatch IoManager::pio_write(PioAddress address, std::span<const std::uint8_t> data) const noexcept {
  return detail::IoDispatch::access<detail::PioWrite>(*this, address, data);
}

Dispatch IoManager::mmio_read(MmioAddress address, std::span<std::uint8_t> data) const noexcept {
  return detail::IoDispatch::access<detail::MmioRead>(*this, address, data);
}

Dispatch IoManager::mmio_write(MmioAddress address, std::span<const std::uint8_t> data) const noexcept {
  return detail::IoDispatch::access<detail::MmioWrite>(*this, address, data);
}

Dispatch IoManager::pio_write_to(const DevicePio* device, PioAddress address,
                                 std::span<const std::uint8_t> data) const noexcept {
  return detail::IoDispatch::access_of<detail::PioWrite>(*this, device, address, data);
}

Dispatch IoManager::mmio_write_to(const DeviceMmio* device, MmioAddress address,
                                  std::span<const std::uint8_t> data) const noexcept {
  return detail::IoDispatch::access_of<detail::MmioWrite>(*this, device, address, data);
}

}  // namespace keel
