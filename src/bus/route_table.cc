// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/bus/route_table.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace keel::detail {

namespace {

constexpr std::size_t kLeastRootSlots = 64;
constexpr std::size_t kMostForkSlots = 64;
constexpr std::size_t kLeastForkSlots = 8;

// The slots of size 2^shift that [low, high] reaches into, less one.
std::uint64_t last_slot(std::uint64_t low, std::uint64_t high, unsigned shift) {
  return (high >> shift) - (low >> shift);
}

// Whether most neighbours, by a sample of them, meet in one slot.
bool crowded(std::span<const Route> ranges, unsigned shift) {
  const std::size_t step = ranges.size() / 256 + 1;
  std::size_t sharing = 0, looked_at = 0;
  for (std::size_t i = 1; i < ranges.size(); i += step, ++looked_at) {
    if (ranges[i - 1].last() >> shift == ranges[i].first >> shift) ++sharing;
  }
  return 2 * sharing > looked_at;
}

}  // namespace

// Ranges that get an index together, and what decides how they are cut.
struct RouteTable::Stretch {
  std::span<const Route> ranges;
  std::size_t least_slots;
  unsigned separating = 63;  // the widest slots, by their shift, that keep every two ranges apart
  std::size_t gap = 0;       // the widest gap is below this range

  Stretch(std::span<const Route> all, std::size_t least) : ranges(all), least_slots(least) {
    // Two addresses are in two slots where they differ in a bit above the slot's.
    std::uint64_t least_difference = ~std::uint64_t{0}, widest = 0;
    for (std::size_t i = 1; i < ranges.size(); ++i) {
      const std::uint64_t below = ranges[i - 1].last(), above = ranges[i].first;
      least_difference = std::min(least_difference, below ^ above);
      if (above - below > widest) {
        widest = above - below;
        gap = i;
      }
    }
    separating = static_cast<unsigned>(std::bit_width(least_difference)) - 1;
  }

  [[nodiscard]] std::uint64_t low() const { return ranges.empty() ? 0 : ranges.front().first; }
  [[nodiscard]] std::uint64_t high() const { return ranges.empty() ? 0 : ranges.back().last(); }
  [[nodiscard]] std::size_t fair_slots() const { return std::max(least_slots, std::bit_ceil(ranges.size())); }
  // One level of a fair size can keep all ranges between these addresses apart.
  [[nodiscard]] bool is_even(std::uint64_t from, std::uint64_t to) const {
    return last_slot(from, to, separating) < 4 * fair_slots();
  }
  // The finest cut into at most `slots`, but none that is finer than it need be.
  [[nodiscard]] unsigned finest(std::uint64_t from, std::uint64_t to, std::size_t slots) const {
    unsigned shift = 63;
    while (shift > separating && last_slot(from, to, shift - 1) < slots) --shift;
    return shift;
  }
  // One level where that is possible. Otherwise a slot for each range, unless most would share one all the same: they
  // crowd somewhere, so a coarse cut leads to a fork that has the crowd for itself, and keeps it apart.
  [[nodiscard]] unsigned shift(std::uint64_t from, std::uint64_t to) const {
    if (is_even(from, to)) return separating;
    const unsigned fair = finest(from, to, fair_slots());
    return crowded(ranges, fair) ? finest(from, to, least_slots) : fair;
  }
};

RouteTable::RouteTable(std::span<const Route> ranges, std::shared_ptr<SlotPool> pool)
    : pool_(pool ? std::move(pool) : std::make_shared<SlotPool>()) {
  // Parts the ranges at their widest gaps until each part is even, or there are as many as may be.
  std::vector<Stretch> parts{Stretch(ranges, kLeastRootSlots)};
  const auto uneven = [](const Stretch& part) { return !part.is_even(part.low(), part.high()); };
  while (parts.size() < BusIndex::kSegments) {
    const auto it = std::ranges::find_if(parts, uneven);
    if (it == parts.end()) break;
    const auto [all, gap] = std::pair(it->ranges, it->gap);
    *it = Stretch(all.first(gap), kLeastRootSlots);
    parts.insert(it + 1, Stretch(all.subspan(gap), kLeastRootSlots));
  }
  if (parts.size() == 1) {
    index_.whole = build(parts[0], parts[0].low(), parts[0].high());
    return;
  }
  // Fewer than may be: the last stands for the rest, should an address at the very top count as beyond.
  index_.starts.fill(~std::uint64_t{0});
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    segments_[i] = i < parts.size() ? build(parts[i], parts[i].low(), parts[i].high()) : segments_[i - 1];
    if (i > 0 && i < parts.size()) index_.starts[i - 1] = parts[i].low();
  }
  index_.segments = segments_.data();
}

RouteTable::~RouteTable() {
  for (SlotArray& slots : slots_) pool_->give(std::move(slots));
}

// The ranges all reach into [low, high].
RouteIndex RouteTable::build(const Stretch& stretch, std::uint64_t low, std::uint64_t high) {
  const std::span<const Route> ranges = stretch.ranges;
  RouteIndex index;
  index.shift = stretch.shift(low, high);
  index.base = low >> index.shift << index.shift;
  index.last_slot = last_slot(low, high, index.shift);
  const std::size_t count = index.last_slot + 1;
  const SlotArray& array = slots_.emplace_back(pool_->take(count));
  Route* const slots = array.slots.get();
  index.slots = slots;
  bytes_ += array.capacity * sizeof(Route);

  // Slots below `next` are written. Of the last of them, ranges[open] is the first that reaches into it.
  std::size_t next = 0;
  std::size_t open = 0;
  const auto fork_if_shared = [&](std::size_t end) {
    if (end - open < 2) return;
    const std::uint64_t slot_low = index.base + (std::uint64_t{next - 1} << index.shift);
    const std::uint64_t slot_high = slot_low + ((std::uint64_t{1} << index.shift) - 1);
    RouteIndex& fork = forks_.emplace_back();
    bytes_ += sizeof(fork);
    const std::size_t least = std::clamp(std::bit_ceil(end - open), kLeastForkSlots, kMostForkSlots);
    fork = build(Stretch(ranges.subspan(open, end - open), least), std::max(slot_low, ranges[open].first),
                 std::min(slot_high, ranges[end - 1].last()));
    slots[next - 1] = Route{.first = 0, .length = 0, .target = &fork, .cell = 0, .kind = Route::Kind::kFork};
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
