// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "src/bus/slot_pool.h"

namespace keel::detail {

// What an access needs to know of one registered range; half a cache line.
struct alignas(32) Route {
  enum class Kind : std::uint8_t { kNobody, kRange, kEverything, kFork };

  // No initialisers, so that a table is written once; Route{} is nobody's.
  std::uint64_t first;
  std::uint64_t length;  // 0 unless kind is kRange, so that holds() is false for all others
  const void* target;    // the DevicePio or DeviceMmio, as the bus has it; the RouteIndex of a fork
  std::uint32_t cell;    // where every thread's book counts the range (books.h)
  Kind kind;

  // Of a range, or everything.
  [[nodiscard]] std::uint64_t last() const noexcept { return first + (length - 1); }

  // Every one of `size` bytes at `address` is in the range. What wraps is in none: an address below, size 0, and bytes
  // past the last of all addresses.
  [[nodiscard]] bool holds(std::uint64_t address, std::size_t size) const noexcept {
    const std::uint64_t offset = address - first;
    const std::uint64_t last_offset = offset + (size - 1);
    return offset <= last_offset && last_offset < length;
  }
  // The same, also for a range of all 2^64 addresses, whose length no number says.
  [[nodiscard]] bool claims(std::uint64_t address, std::size_t size) const noexcept {
    return kind == Kind::kEverything ? size != 0 && size - 1 <= ~address : holds(address, size);
  }
};

inline constexpr Route kNobodysRoute{};

// Cuts a stretch of addresses into slots of equal, power-of-two size. A slot holds the route of the one range that
// reaches into it, nobody's, or, where several do, a fork: an index that cuts it further.
struct RouteIndex {
  std::uint64_t base = 0;
  std::uint64_t last_slot = 0;
  const Route* slots = nullptr;
  unsigned shift = 0;

  // The only candidate for `address`; whether it holds the access is for the caller to see. For an address outside the
  // stretch it may be any: the difference wraps, and no range holds it.
  [[nodiscard]] const Route& candidate(std::uint64_t address) const noexcept {
    const std::uint64_t slot = (address - base) >> shift;
    if (slot > last_slot) [[unlikely]]
      return kNobodysRoute;
    return slots[slot];
  }
};

// The candidate past all forks.
[[nodiscard]] inline const Route& resolve(const Route& candidate, std::uint64_t address) noexcept {
  const Route* route = &candidate;
  while (route->kind == Route::Kind::kFork) {
    route = &static_cast<const RouteIndex*>(route->target)->candidate(address);
  }
  return *route;
}

// The way into one bus: one index, or, where devices of like size crowd in several places far from each other, up to
// four, told apart without a branch to mispredict.
struct BusIndex {
  static constexpr std::size_t kSegments = 4;

  RouteIndex whole;
  const RouteIndex* segments = nullptr;               // instead of `whole`; kSegments of them
  std::array<std::uint64_t, kSegments - 1> starts{};  // the lowest addresses of all but the first

  [[nodiscard]] const Route& candidate(std::uint64_t address) const noexcept {
    if (segments == nullptr) return whole.candidate(address);
    static_assert(kSegments == 4);  // written out, as a loop of three is not always unrolled
    const std::size_t segment =
        std::size_t{address >= starts[0]} + std::size_t{address >= starts[1]} + std::size_t{address >= starts[2]};
    return segments[segment].candidate(address);
  }
};

// The immutable index of one bus: a radix tree that adapts its cut to where the ranges are, so that it is one level
// deep for devices of like size, however many, in up to four places, and deeper only where small ranges crowd inside a
// wide stretch otherwise. Each level resolves three bits or more, so 22 are the most.
class RouteTable {
 public:
  // `ranges` ascend and do not overlap; their devices must live as long as the table is read.
  explicit RouteTable(std::span<const Route> ranges, std::shared_ptr<SlotPool> pool = nullptr);
  ~RouteTable();
  RouteTable(const RouteTable&) = delete;
  RouteTable& operator=(const RouteTable&) = delete;

  [[nodiscard]] const BusIndex& index() const noexcept { return index_; }
  // What it occupies, for bounding what waits to be reclaimed.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Stretch;
  RouteIndex build(const Stretch& stretch, std::uint64_t low, std::uint64_t high);

  const std::shared_ptr<SlotPool> pool_;
  std::vector<SlotArray> slots_;
  std::deque<RouteIndex> forks_;
  std::array<RouteIndex, BusIndex::kSegments> segments_;
  std::size_t bytes_ = sizeof(RouteTable);
  BusIndex index_;
};

}  // namespace keel::detail
