// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/bus/registered.h"
#include "keel/base/error.h"

namespace keel::detail {

// What is registered on one bus, in ascending order. Not thread-safe: management works on it under its lock. Never on
// the way of an access.
template <typename A>
class Registry {
 public:
  using Entry = Registered<A>;
  static constexpr const char* kBus = BusTraits<A>::kName;

  // What a RouteTable is made of.
  [[nodiscard]] std::span<const Route> routes() const noexcept { return routes_; }
  [[nodiscard]] std::span<const std::unique_ptr<Entry>> entries() const noexcept { return entries_; }
  // Changes with every change.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

  // The entry that holds `address`, or null.
  [[nodiscard]] const Entry* find(A address) const noexcept {
    const std::size_t i = index_from(address);
    return i < routes_.size() && routes_[i].first <= address.value() ? entries_[i].get() : nullptr;
  }

  [[nodiscard]] Result<const Entry*> at(A address) const {
    if (const Entry* entry = find(address)) return entry;
    const std::size_t above = index_from(address);
    return fail(ErrorCode::kNotFound, "{} {}: nothing is registered there; below it {}, above it {}", kBus, address,
                above > 0 ? describe(entries_[above - 1]->entry) : "nothing",
                above < entries_.size() ? describe(entries_[above]->entry) : "nothing");
  }

  // The entry that claims an access of `size` bytes at `address`.
  [[nodiscard]] Result<const Entry*> check(A address, std::size_t size) const {
    if (size == 0)
      return fail(ErrorCode::kInvalidArgument, "{} {}: an access of 0 bytes touches nothing", kBus, address);
    Result<const Entry*> entry = at(address);
    if (entry && !(*entry)->route().claims(address.value(), size)) {
      return fail(ErrorCode::kOutOfBounds, "{} {}: an access of {} bytes passes the end of {}", kBus, address, size,
                  describe((*entry)->entry));
    }
    return entry;
  }

  // The lowest entry that overlaps `range` and for which ignored(entry) is false, or null.
  template <typename Ignored>
  [[nodiscard]] const Entry* overlapping(Range<A> range, Ignored&& ignored) const {
    for (std::size_t i = index_from(range.first()); i < routes_.size() && routes_[i].first <= range.last().value();
         ++i) {
      if (!ignored(*entries_[i])) return entries_[i].get();
    }
    return nullptr;
  }

  // Takes away the entries that start at `removed` and returns them; puts in `added`. Both ascend; the caller has seen
  // that the former are there and that the latter overlap nothing that stays.
  std::vector<std::unique_ptr<Entry>> apply(std::span<const A> removed, std::vector<std::unique_ptr<Entry>> added) {
    for (const auto& entry : added) entry->serial = ++serial_;
    ++version_;
    return removed.size() + added.size() <= kFew ? apply_few(removed, std::move(added))
                                                 : apply_many(removed, std::move(added));
  }

  std::vector<std::unique_ptr<Entry>> take_all() noexcept {
    routes_.clear();
    return std::exchange(entries_, {});
  }

 private:
  static constexpr std::size_t kFew = 4;

  // The index of the first entry that ends at or after `address`.
  std::size_t index_from(A address) const noexcept {
    const auto it = std::ranges::lower_bound(routes_, std::uint64_t{address.value()}, {}, &Route::last);
    return static_cast<std::size_t>(it - routes_.begin());
  }

  static A first_of(const Entry& entry) noexcept { return entry.entry.range().first(); }

  std::vector<std::unique_ptr<Entry>> apply_few(std::span<const A> removed, std::vector<std::unique_ptr<Entry>> added) {
    std::vector<std::unique_ptr<Entry>> gone;
    for (const A first : removed) {
      const auto i = static_cast<std::ptrdiff_t>(index_from(first));
      gone.push_back(std::move(entries_[static_cast<std::size_t>(i)]));
      entries_.erase(entries_.begin() + i);
      routes_.erase(routes_.begin() + i);
    }
    for (auto& entry : added) {
      const auto i = static_cast<std::ptrdiff_t>(index_from(first_of(*entry)));
      routes_.insert(routes_.begin() + i, entry->route());
      entries_.insert(entries_.begin() + i, std::move(entry));
    }
    return gone;
  }

  std::vector<std::unique_ptr<Entry>> apply_many(std::span<const A> removed,
                                                 std::vector<std::unique_ptr<Entry>> added) {
    std::vector<std::unique_ptr<Entry>> gone, kept;
    kept.reserve(entries_.size() - removed.size() + added.size());
    auto next_removed = removed.begin();
    auto next_added = added.begin();
    for (auto& entry : entries_) {
      while (next_added != added.end() && first_of(**next_added) < first_of(*entry))
        kept.push_back(std::move(*next_added++));
      if (next_removed != removed.end() && *next_removed == first_of(*entry)) {
        ++next_removed;
        gone.push_back(std::move(entry));
      } else {
        kept.push_back(std::move(entry));
      }
    }
    std::move(next_added, added.end(), std::back_inserter(kept));
    entries_ = std::move(kept);
    routes_.clear();
    routes_.reserve(entries_.size());
    for (const auto& entry : entries_) routes_.push_back(entry->route());
    return gone;
  }

  std::vector<Route> routes_;                    // kept beside the entries, in their order,
  std::vector<std::unique_ptr<Entry>> entries_;  // so that searching and rebuilding stream over memory
  std::uint64_t version_ = 0;
  std::uint64_t serial_ = 0;
};

}  // namespace keel::detail
