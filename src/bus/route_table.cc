// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/bus/route_table.h"

#include <algorithm>
#include <bit>

namespace keel::detail {

namespace {

constexpr std::size_t kLeastRootSlots = 64;
constexpr std::size_t kLeastForkSlots = 8;

// The slots of size 2^shift that [low, high] reaches into, less one.
std::uint64_t last_slot(std::uint64_t low, std::uint64_t high, unsigned shift) {
  return (high >> shift) - (low >> shift);
}

// The widest slots that keep every two ranges apart.
unsigned separating_shift(std::span<const Route> ranges) {
  unsigned shift = 63;
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    const auto differing = static_cast<unsigned>(std::bit_width(ranges[i - 1].last() ^ ranges[i].first));
    shift = std::min(shift, differing - 1);
  }
  return shift;
}

unsigned choose_shift(std::span<const Route> ranges, std::uint64_t low, std::uint64_t high, std::size_t least_slots) {
  const std::size_t fair = std::max(least_slots, std::bit_ceil(ranges.size()));
  const unsigned separating = separating_shift(ranges);
  if (last_slot(low, high, separating) < 4 * fair) return separating;
  unsigned shift = 63;
  while (shift > separating && last_slot(low, high, shift - 1) < fair) --shift;
  return shift;
}

}  // namespace

RouteTable::RouteTable(std::span<const Route> ranges)
    : root_(ranges.empty() ? build({}, 0, 0, 1)
                           : build(ranges, ranges.front().first, ranges.back().last(), kLeastRootSlots)) {}

// `ranges` all reach into [low, high].
RouteIndex RouteTable::build(std::span<const Route> ranges, std::uint64_t low, std::uint64_t high,
                             std::size_t least_slots) {
  RouteIndex index;
  index.shift = choose_shift(ranges, low, high, least_slots);
  index.base = low >> index.shift << index.shift;
  index.last_slot = last_slot(low, high, index.shift);
  const std::size_t count = index.last_slot + 1;
  Route* const slots = slots_.emplace_back(std::make_unique_for_overwrite<Route[]>(count)).get();
  index.slots = slots;
  bytes_ += count * sizeof(Route);

  // Slots below `next` are written. Of the last of them, ranges[open] is the first that reaches into it.
  std::size_t next = 0;
  std::size_t open = 0;
  const auto fork_if_shared = [&](std::size_t end) {
    if (end - open < 2) return;
    const std::uint64_t slot_low = index.base + (std::uint64_t{next - 1} << index.shift);
    const std::uint64_t slot_high = slot_low + ((std::uint64_t{1} << index.shift) - 1);
    RouteIndex& fork = forks_.emplace_back();
    bytes_ += sizeof(fork);
    fork = build(ranges.subspan(open, end - open), std::max(slot_low, ranges[open].first),
                 std::min(slot_high, ranges[end - 1].last()), kLeastForkSlots);
    slots[next - 1] = Route{.first = 0, .length = 0, .target = &fork, .line = 0, .kind = Route::Kind::kFork};
  };
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const std::size_t first = (std::max(ranges[i].first, low) - index.base) >> index.shift;
    const std::size_t last = (std::min(ranges[i].last(), high) - index.base) >> index.shift;
    if (first == next - 1 && i > 0) {
      if (last == first) continue;  // wholly inside a slot it shares
      fork_if_shared(i + 1);
    } else {
      if (i > 0) fork_if_shared(i);
      std::fill(slots + next, slots + first, Route{});
      next = first;
    }
    std::fill(slots + next, slots + last + 1, ranges[i]);
    next = last + 1;
    open = i;
  }
  if (!ranges.empty()) fork_if_shared(ranges.size());
  std::fill(slots + next, slots + count, Route{});
  return index;
}

}  // namespace keel::detail
