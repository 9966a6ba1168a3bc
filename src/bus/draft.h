// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "src/bus/registry.h"
#include "keel/base/try.h"

namespace keel::detail {

// Changes to one bus that are not made yet, each checked against the registry and the changes before it. The registry
// may change meanwhile; admissible() checks again. Not thread-safe.
template <typename A>
class Draft {
 public:
  using Entry = Registered<A>;
  using EntryPtr = std::unique_ptr<Entry>;

  [[nodiscard]] bool empty() const noexcept { return added_.empty() && removed_.empty(); }
  [[nodiscard]] bool removes() const noexcept { return !removed_.empty(); }

  // Takes `entry` on success alone: a refused device is destroyed by the caller, who holds no lock.
  [[nodiscard]] Result<void> add(const Registry<A>& registry, EntryPtr&& entry) {
    if (!entry->entry.device()) {
      return fail(ErrorCode::kInvalidArgument, "{} {}: no device given to answer there", Registry<A>::kBus,
                  describe(entry->entry));
    }
    KEEL_TRY_VOID(fits(registry, entry->entry, nullptr));
    note(registry);
    const A first = entry->entry.range().first();
    added_.emplace(first, std::move(entry));
    return {};
  }

  // The entry that will be gone.
  [[nodiscard]] Result<BusEntry<A>> remove(const Registry<A>& registry, A any_inside) {
    KEEL_TRY(const Entry* const entry, at(registry, any_inside));
    BusEntry<A> copy = entry->entry;
    drop(registry, *entry);
    return copy;
  }

  // Changes the range that holds `any_inside` to start at `to`, with its size, device, owner and ledger line.
  [[nodiscard]] Result<void> move(const Registry<A>& registry, A any_inside, A to) {
    KEEL_TRY(const Entry* const entry, at(registry, any_inside));
    const std::optional<A> last = to.checked_add(entry->entry.range().last_offset());
    if (!last) {
      return fail(ErrorCode::kInvalidArgument, "{} {} moved to {} would pass the top of the address space ({})",
                  Registry<A>::kBus, describe(entry->entry), to, A::max());
    }
    BusEntry<A> moved(*Range<A>::from_bounds(to, *last), entry->entry.device(), entry->entry.owner());
    KEEL_TRY_VOID(fits(registry, moved, entry));
    std::shared_ptr<Line<A>> ledger = entry->ledger;
    drop(registry, *entry);
    added_.emplace(to, std::make_unique<Entry>(std::move(moved), std::move(ledger)));
    return {};
  }

  // Whether everything still fits, now that others may have changed the registry.
  [[nodiscard]] Result<void> admissible(const Registry<A>& registry) const {
    if (empty() || registry.version() == version_) return {};
    for (const auto& [serial, entry] : removed_) {
      const Entry* const there = registry.find(entry.range().first());
      if (there == nullptr || there->serial != serial) {
        return fail(ErrorCode::kNotFound, "{} {} was removed or moved by somebody else before this commit",
                    Registry<A>::kBus, describe(entry));
      }
    }
    for (const auto& [first, entry] : added_) KEEL_TRY_VOID(fits_registry(registry, entry->entry));
    return {};
  }

  // Makes the changes, and returns the entries that are no longer registered. Precondition: admissible.
  std::vector<EntryPtr> apply(Registry<A>& registry) {
    std::vector<A> removed;
    for (const auto& [serial, entry] : removed_) removed.push_back(entry.range().first());
    std::ranges::sort(removed);
    std::vector<EntryPtr> added;
    for (auto& [first, entry] : added_) {
      entry->ledger->publish(entry->entry.range(), entry->entry.owner());
      added.push_back(std::move(entry));
    }
    clear();
    return registry.apply(removed, std::move(added));
  }

  void clear() noexcept {
    added_.clear();
    removed_.clear();
  }

 private:
  // What is there as the draft leaves it.
  Result<const Entry*> at(const Registry<A>& registry, A address) const {
    auto above = added_.upper_bound(address);
    if (above != added_.begin()) {
      const Entry* const below = std::prev(above)->second.get();
      if (below->entry.range().contains(address)) return below;
    }
    Result<const Entry*> entry = registry.at(address);
    if (entry && removed_.contains((*entry)->serial)) {
      return fail(ErrorCode::kNotFound, "{} {}: {} is removed or moved away by this transaction", Registry<A>::kBus,
                  address, describe((*entry)->entry));
    }
    return entry;
  }

  Result<void> fits_registry(const Registry<A>& registry, const BusEntry<A>& entry) const {
    const Entry* const other = registry.overlapping(
        entry.range(), [this](const Entry& candidate) { return removed_.contains(candidate.serial); });
    return other == nullptr ? Result<void>() : overlap(entry, other->entry);
  }

  // Whether `entry` overlaps nothing but, at most, `leaving`.
  Result<void> fits(const Registry<A>& registry, const BusEntry<A>& entry, const Entry* leaving) const {
    auto it = added_.upper_bound(entry.range().first());
    if (it != added_.begin()) --it;
    for (; it != added_.end() && it->first <= entry.range().last(); ++it) {
      const Entry& other = *it->second;
      if (&other != leaving && other.entry.range().overlaps(entry.range())) return overlap(entry, other.entry);
    }
    const Entry* const other = registry.overlapping(entry.range(), [&](const Entry& candidate) {
      return &candidate == leaving || removed_.contains(candidate.serial);
    });
    return other == nullptr ? Result<void>() : overlap(entry, other->entry);
  }

  static std::unexpected<Error> overlap(const BusEntry<A>& entry, const BusEntry<A>& other) {
    return fail(ErrorCode::kOverlap, "{} {} overlaps {}; deregister that first, or choose another range",
                Registry<A>::kBus, describe(entry), describe(other));
  }

  void drop(const Registry<A>& registry, const Entry& entry) {
    note(registry);
    const auto added = added_.find(entry.entry.range().first());
    if (added != added_.end() && added->second.get() == &entry)
      added_.erase(added);
    else
      removed_.emplace(entry.serial, entry.entry);
  }

  // The registry this draft was checked against; two different ones are as good as none.
  void note(const Registry<A>& registry) {
    version_ = empty() || version_ == registry.version() ? registry.version() : ~std::uint64_t{0};
  }

  std::map<A, EntryPtr> added_;                             // by first address
  std::unordered_map<std::uint64_t, BusEntry<A>> removed_;  // by serial
  std::uint64_t version_ = 0;
};

}  // namespace keel::detail
