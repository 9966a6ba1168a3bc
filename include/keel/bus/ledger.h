// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "keel/base/range.h"

namespace keel {

// The ledger of a machine's accesses: plain values, a picture taken while it runs (IoManager::ledger). Counts are
// exact once the threads that dispatch are at rest; a picture taken meanwhile may miss the access under way.

// How often, and how long inside the device. Of a thread's accesses to a range in one direction the first 16 are timed,
// the 32nd, 64th, 128th and 256th, and every 256th after; the time of all is scaled from theirs.
struct AccessTotals {
  std::uint64_t count = 0;
  std::chrono::nanoseconds time{};

  AccessTotals& operator+=(const AccessTotals& other) noexcept {
    count += other.count;
    time += other.time;
    return *this;
  }
};

struct Traffic {
  AccessTotals reads;
  AccessTotals writes;

  Traffic& operator+=(const Traffic& other) noexcept {
    reads += other.reads;
    writes += other.writes;
    return *this;
  }
};

// One thread's share. `thread` is an index into IoLedger::threads.
struct ThreadTraffic {
  std::size_t thread = 0;
  Traffic traffic;
};

template <typename A>
struct RangeLedger {
  Range<A> range;
  std::string owner;
  Traffic traffic;
  std::vector<ThreadTraffic> by_thread;  // those that were there; empty for a range that was removed
};

// Accesses that nobody claimed, by the address they started at. The table of them is bounded: each thread has 16 sets
// of four addresses, and past that keeps the busiest, so that a count may lack what came before its address got in.
template <typename A>
struct UnclaimedAddress {
  A address;
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
};

template <typename A>
struct BusLedger {
  std::vector<RangeLedger<A>> ranges;   // registered now, in ascending order
  std::vector<RangeLedger<A>> removed;  // the latest removed, oldest first, at most kRemovedRanges
  Traffic removed_earlier;              // all removed before those
  std::uint64_t unclaimed_reads = 0;    // all of them, whatever `unclaimed` has room for
  std::uint64_t unclaimed_writes = 0;
  std::vector<UnclaimedAddress<A>> unclaimed;  // the busiest first, at most kUnclaimedAddresses
};

struct IoLedger {
  static constexpr std::size_t kRemovedRanges = 64;
  static constexpr std::size_t kUnclaimedAddresses = 32;

  BusLedger<PioAddress> pio;
  BusLedger<MmioAddress> mmio;
  // Accesses refused, as unclaimed ones, because they came from handlers nested IoManager::kMaxNesting deep.
  std::uint64_t too_deep = 0;
  // The names of the threads that dispatched, as given to IoManager::name_this_thread or else as the host calls them,
  // with their ids. The first stands for all that have ended.
  std::vector<std::string> threads;
};

}  // namespace keel
