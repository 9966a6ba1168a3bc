// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

namespace keel::detail {

// What an access needs to know of one registered range; half a cache line.
struct alignas(32) Route {
  enum class Kind : std::uint8_t { kNobody, kRange, kEverything, kFork };

  // No initialisers, so that a table is written once; Route{} is nobody's.
  std::uint64_t first;
  std::uint64_t length;  // 0 unless kind is kRange, so that holds() is false for all others
  const void* target;    // the DevicePio or DeviceMmio, as the bus has it; the RouteIndex of a fork
  std::uint32_t line;    // the range's line in every thread's book (books.h)
  Kind kind;

  // Of a range, or everything.
  [[nodiscard]] std::uint64_t last() const noexcept { return first + (length - 1); }

  // Every one of `size` bytes at `address` is in the range. Size 0 wraps, and is in none.
  [[nodiscard]] bool holds(std::uint64_t address, std::size_t size) const noexcept {
    const std::uint64_t offset = address - first;
    return offset < length && size - 1 < length - offset;
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
  // The same, past all forks.
  [[nodiscard]] const Route& find(std::uint64_t address) const noexcept {
    const Route* route = &candidate(address);
    while (route->kind == Route::Kind::kFork) {
      route = &static_cast<const RouteIndex*>(route->target)->candidate(address);
    }
    return *route;
  }
};

// The immutable index of one bus: a radix tree that adapts its cut to where the ranges are, so that it is one level
// deep for devices of like size, however many, and deeper only where small ranges crowd inside a wide stretch. Each
// level resolves three bits or more, so 22 are the most.
class RouteTable {
 public:
  // `ranges` ascend and do not overlap; their devices must live as long as the table is read.
  explicit RouteTable(std::span<const Route> ranges);
  RouteTable(const RouteTable&) = delete;
  RouteTable& operator=(const RouteTable&) = delete;

  [[nodiscard]] const RouteIndex& root() const noexcept { return root_; }
  // What it occupies, for bounding what waits to be reclaimed.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  RouteIndex build(std::span<const Route> ranges, std::uint64_t low, std::uint64_t high, std::size_t least_slots);

  std::vector<std::unique_ptr<Route[]>> slots_;
  std::deque<RouteIndex> forks_;
  std::size_t bytes_ = sizeof(RouteTable);
  RouteIndex root_;
};

}  // namespace keel::detail
