// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "keel/base/error.h"
#include "keel/bus/bus.h"

namespace keel::detail {

// What is registered on one bus, in ascending order, and every question about it that may be refused. Not thread-safe:
// management works on it under its lock, or on a copy. Never on the way of an access.
template <typename A>
class Registry {
 public:
  using Entry = BusEntry<A>;
  using EntryPtr = std::shared_ptr<const Entry>;
  static constexpr const char* kBus = BusTraits<A>::kName;

  [[nodiscard]] const std::vector<EntryPtr>& entries() const noexcept { return entries_; }

  // The entry that holds `address`, or null.
  [[nodiscard]] const EntryPtr* find(A address) const noexcept {
    const auto it = lower_bound(address);
    return it != entries_.end() && (*it)->range().first() <= address ? &*it : nullptr;
  }

  [[nodiscard]] Result<EntryPtr> at(A address) const {
    if (const EntryPtr* entry = find(address)) return *entry;
    return fail(ErrorCode::kNotFound, "{} {}: nothing is registered there; below it {}, above it {}", kBus, address,
                neighbour(lower_bound(address), -1), neighbour(lower_bound(address), 0));
  }

  // The entry that claims an access of `size` bytes at `address`.
  [[nodiscard]] Result<EntryPtr> check(A address, std::size_t size) const {
    if (size == 0)
      return fail(ErrorCode::kInvalidArgument, "{} {}: an access of 0 bytes touches nothing", kBus, address);
    Result<EntryPtr> entry = at(address);
    if (entry && size - 1 > (*entry)->range().last().offset_from(address)) {
      return fail(ErrorCode::kOutOfBounds, "{} {}: an access of {} bytes passes the end of {}", kBus, address, size,
                  describe(**entry));
    }
    return entry;
  }

  [[nodiscard]] Result<void> insert(EntryPtr entry) {
    if (!entry->device()) {
      return fail(ErrorCode::kInvalidArgument, "{} {}: no device given to answer there", kBus, describe(*entry));
    }
    const auto it = lower_bound(entry->range().first());
    if (it != entries_.end() && (*it)->range().overlaps(entry->range())) {
      return fail(ErrorCode::kOverlap, "{} {} overlaps {}", kBus, describe(*entry), describe(**it));
    }
    entries_.insert(it, std::move(entry));
    return {};
  }

  // Takes away and returns the entry that holds `address`.
  [[nodiscard]] Result<EntryPtr> erase(A address) {
    Result<EntryPtr> entry = at(address);
    if (entry) entries_.erase(lower_bound(address));
    return entry;
  }

  friend bool operator==(const Registry& a, const Registry& b) {
    return std::ranges::equal(a.entries_, b.entries_, [](const auto& x, const auto& y) { return *x == *y; });
  }

 private:
  using Iterator = typename std::vector<EntryPtr>::const_iterator;

  static std::string describe(const Entry& entry) { return fmt::format("{} \"{}\"", entry.range(), entry.owner()); }

  // The first entry that ends at or after `address`.
  Iterator lower_bound(A address) const noexcept {
    return std::ranges::lower_bound(entries_, address, {}, [](const EntryPtr& entry) { return entry->range().last(); });
  }

  std::string neighbour(Iterator it, std::ptrdiff_t step) const {
    const bool outside = step < 0 ? it == entries_.begin() : it == entries_.end();
    return outside ? "nothing" : describe(**(it + step));
  }

  std::vector<EntryPtr> entries_;
};

}  // namespace keel::detail
