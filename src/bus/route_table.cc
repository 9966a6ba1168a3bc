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
unsigned separating_shift(std::span<const RouteTable::Item> items) {
  unsigned shift = 63;
  for (std::size_t i = 1; i < items.size(); ++i) {
    const auto differing = static_cast<unsigned>(std::bit_width(items[i - 1].last ^ items[i].route.first));
    shift = std::min(shift, differing - 1);
  }
  return shift;
}

unsigned choose_shift(std::span<const RouteTable::Item> items, std::uint64_t low, std::uint64_t high,
                      std::size_t least_slots) {
  const std::size_t fair = std::max(least_slots, std::bit_ceil(items.size()));
  const unsigned separating = separating_shift(items);
  if (last_slot(low, high, separating) < 4 * fair) return separating;
  unsigned shift = 63;
  while (shift > separating && last_slot(low, high, shift - 1) < fair) --shift;
  return shift;
}

}  // namespace

RouteTable::RouteTable(std::span<const Item> items)
    : root_(items.empty() ? build({}, 0, 0, 1)
                          : build(items, items.front().route.first, items.back().last, kLeastRootSlots)) {}

// `items` all reach into [low, high].
RouteIndex RouteTable::build(std::span<const Item> items, std::uint64_t low, std::uint64_t high,
                             std::size_t least_slots) {
  RouteIndex index;
  index.shift = choose_shift(items, low, high, least_slots);
  index.base = low >> index.shift << index.shift;
  index.last_slot = last_slot(low, high, index.shift);
  const std::size_t count = index.last_slot + 1;
  Route* const slots = slots_.emplace_back(std::make_unique<Route[]>(count)).get();
  index.slots = slots;
  bytes_ += count * sizeof(slots[0]);

  // The items [open, i) reach into the slot `at`; more than one of them make a fork.
  const auto close = [&](std::uint64_t at, std::size_t open, std::size_t end) {
    if (end - open < 2) return;
    const std::uint64_t slot_low = index.base + (at << index.shift);
    const std::uint64_t slot_high = slot_low + ((std::uint64_t{1} << index.shift) - 1);
    RouteIndex& fork = forks_.emplace_back();
    fork = build(items.subspan(open, end - open), std::max(slot_low, items[open].route.first),
                 std::min(slot_high, items[end - 1].last), kLeastForkSlots);
    bytes_ += sizeof(fork);
    slots[at] = {.target = &fork, .kind = Route::Kind::kFork};
  };
  std::size_t open = 0;
  std::uint64_t at = ~std::uint64_t{0};
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::uint64_t first = (std::max(items[i].route.first, low) - index.base) >> index.shift;
    const std::uint64_t last = (std::min(items[i].last, high) - index.base) >> index.shift;
    if (first != at) {
      if (i > 0) close(at, open, i);
      open = i;
      at = first;
      slots[first] = items[i].route;
    }
    if (last != first) {
      close(at, open, i + 1);
      std::fill(slots + first + 1, slots + last + 1, items[i].route);
      open = i;
      at = last;
    }
  }
  if (!items.empty()) close(at, open, items.size());
  return index;
}

}  // namespace keel::detail
