// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace keel::detail {

enum class Direction : std::uint8_t { kRead, kWrite };

// A counter that one thread adds to and any thread may look at: no lock prefix, no shared line.
class OwnedCounter {
 public:
  [[nodiscard]] std::uint64_t load() const noexcept { return value_.load(std::memory_order_relaxed); }
  void store(std::uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  // Owner only. Returns the value before.
  std::uint64_t add(std::uint64_t amount) noexcept {
    const std::uint64_t before = load();
    store(before + amount);
    return before;
  }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

// The busiest addresses of one thread's unclaimed accesses, in bounded space and time: sets of four by a hash of the
// address. While a set has room, every address in it is counted exactly. Once it is full, every sixteenth newcomer
// takes the place of the least busy, whose count then remains in the totals alone; so a guest that sprays addresses
// costs little and hides nothing that is busier than its spray.
class UnclaimedTable {
 public:
  // Owner only.
  void count(std::uint64_t address, Direction direction) noexcept {
    const std::uint64_t nth = totals_[index(direction)].add(1);
    Set& set = sets_[(address * 0x9e3779b97f4a7c15u) >> (64 - kSetBits)];
    const std::size_t way = find(set, address);
    if (way < set.used) {
      set.counts[index(direction)][way].add(1);
    } else if (set.used < kWays || nth % kNewcomers == 0) [[unlikely]] {
      const std::size_t place = take_place(set, address);
      set.counts[index(direction)][place].store(1);
    }
  }

  [[nodiscard]] std::uint64_t total(Direction direction) const noexcept { return totals_[index(direction)].load(); }

  // f(address, reads, writes) for each that it knows.
  template <typename F>
  void for_each(F&& f) const {
    for (const Set& set : sets_) {
      for (std::size_t way = 0; way < kWays; ++way) {
        if (busy(set, way) != 0) {
          f(set.addresses[way].load(), set.counts[index(Direction::kRead)][way].load(),
            set.counts[index(Direction::kWrite)][way].load());
        }
      }
    }
  }

  // What another table counted, into one that nobody else adds to; keeps the busiest of both.
  void add(const UnclaimedTable& other) noexcept {
    for (std::size_t direction = 0; direction < 2; ++direction) {
      totals_[direction].add(other.totals_[direction].load());
    }
    other.for_each([this](std::uint64_t address, std::uint64_t reads, std::uint64_t writes) {
      Set& set = sets_[(address * 0x9e3779b97f4a7c15u) >> (64 - kSetBits)];
      std::size_t way = find(set, address);
      if (way >= set.used) {
        if (set.used == kWays && busy(set, least_busy(set)) >= reads + writes) return;
        way = take_place(set, address);
      }
      set.counts[index(Direction::kRead)][way].add(reads);
      set.counts[index(Direction::kWrite)][way].add(writes);
    });
  }

 private:
  static constexpr std::size_t kWays = 4;
  static constexpr unsigned kSetBits = 4;
  static constexpr std::uint64_t kNewcomers = 16;

  struct Set {
    std::array<OwnedCounter, kWays> addresses;
    std::array<std::array<OwnedCounter, kWays>, 2> counts;  // by direction
    std::size_t used = 0;                                   // ways; owner only
  };

  static constexpr std::size_t index(Direction direction) noexcept { return static_cast<std::size_t>(direction); }

  // The way that has the address, or kWays. An unused one may have it by chance.
  static std::size_t find(const Set& set, std::uint64_t address) noexcept {
    std::size_t found = kWays;
    for (std::size_t way = kWays; way-- > 0;) found = set.addresses[way].load() == address ? way : found;
    return found;
  }
  static std::uint64_t busy(const Set& set, std::size_t way) noexcept {
    return set.counts[0][way].load() + set.counts[1][way].load();
  }
  static std::size_t least_busy(const Set& set) noexcept {
    std::size_t least = 0;
    for (std::size_t way = 1; way < kWays; ++way) least = busy(set, way) < busy(set, least) ? way : least;
    return least;
  }
  // Makes room for an address that has no way yet.
  static std::size_t take_place(Set& set, std::uint64_t address) noexcept {
    const std::size_t way = set.used < kWays ? set.used++ : least_busy(set);
    set.addresses[way].store(address);
    set.counts[0][way].store(0);
    set.counts[1][way].store(0);
    return way;
  }

  std::array<OwnedCounter, 2> totals_;  // by direction
  std::array<Set, 1u << kSetBits> sets_;
};

}  // namespace keel::detail
