// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/bus/slot_pool.h"

#include <bit>
#include <utility>

#include "src/bus/route_table.h"

namespace keel::detail {

SlotArray SlotPool::take(std::size_t count) {
  const std::size_t capacity = count < kLeast ? count : std::bit_ceil(count);
  {
    const Lock lock(mutex_);
    for (SlotArray& spare : spares_) {
      if (spare.capacity != capacity) continue;
      std::swap(spare, spares_.back());
      SlotArray array = std::move(spares_.back());
      spares_.pop_back();
      return array;
    }
  }
  return {std::make_unique_for_overwrite<Route[]>(capacity), capacity};
}

void SlotPool::give(SlotArray array) noexcept {
  if (array.capacity < kLeast) return;
  const Lock lock(mutex_);
  spares_.reserve(kMostSpares);
  if (spares_.size() < kMostSpares)
    spares_.push_back(std::move(array));
  else
    std::swap(array, spares_.front());  // the size of the latest is the likeliest to be wanted
}

}  // namespace keel::detail
