// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "keel/base/error.h"
#include "keel/bus/bus.h"

namespace keel::fake {

// What a bus is to do, said as plainly as it can be: a list, searched from end to end. The oracle of the tests.
template <typename A>
class ModelBus {
 public:
  using Value = typename A::Value;
  struct Entry {
    std::uint64_t first;
    std::uint64_t last;
    unsigned device;
    unsigned serial;
    [[nodiscard]] bool overlaps(std::uint64_t a, std::uint64_t b) const { return first <= b && a <= last; }
    [[nodiscard]] bool has(std::uint64_t at) const { return overlaps(at, at); }
  };
  // Changes that wait for a commit.
  struct Draft {
    std::vector<Entry> added;
    std::vector<Entry> removed;
  };

  // The entry whose range has every one of `size` bytes, counted byte by byte.
  [[nodiscard]] std::optional<Entry> claimer(std::uint64_t address, std::size_t size) const {
    for (const Entry& entry : entries) {
      std::uint64_t at = address;
      std::size_t inside = 0;
      while (inside < size && entry.has(at)) {
        ++inside;
        if (at++ == A::max().value()) break;
      }
      if (size > 0 && inside == size) return entry;
    }
    return std::nullopt;
  }

  // Each returns nothing on success, the code of the error otherwise. With a draft, the change is only noted there.
  std::optional<ErrorCode> add(std::uint64_t first, std::uint64_t last, unsigned device, Draft* draft) {
    Draft now;
    Draft& where = draft ? *draft : now;
    if (taken(where, first, last, nullptr)) return ErrorCode::kOverlap;
    where.added.push_back({first, last, device, ++serial_});
    return draft ? std::nullopt : commit(now);
  }
  std::optional<ErrorCode> remove(std::uint64_t at, Draft* draft) {
    Draft now;
    Draft& where = draft ? *draft : now;
    const std::optional<Entry> entry = find(where, at);
    if (!entry) return ErrorCode::kNotFound;
    drop(where, *entry);
    return draft ? std::nullopt : commit(now);
  }
  std::optional<ErrorCode> move(std::uint64_t at, std::uint64_t to, Draft& where) {
    const std::optional<Entry> entry = find(where, at);
    if (!entry) return ErrorCode::kNotFound;
    const std::uint64_t extent = entry->last - entry->first;
    if (extent > A::max().value() - to) return ErrorCode::kInvalidArgument;
    if (taken(where, to, to + extent, &*entry)) return ErrorCode::kOverlap;
    drop(where, *entry);
    where.added.push_back({to, to + extent, entry->device, ++serial_});
    return std::nullopt;
  }
  [[nodiscard]] std::optional<ErrorCode> admissible(const Draft& draft) const {
    for (const Entry& gone : draft.removed) {
      if (!same(entries, gone)) return ErrorCode::kNotFound;
    }
    for (const Entry& entry : draft.added) {
      for (const Entry& other : entries) {
        if (other.overlaps(entry.first, entry.last) && !same(draft.removed, other)) return ErrorCode::kOverlap;
      }
    }
    return std::nullopt;
  }
  std::optional<ErrorCode> commit(Draft& draft) {
    if (const auto error = admissible(draft)) return error;
    for (const Entry& gone : draft.removed) erase(entries, gone);
    entries.insert(entries.end(), draft.added.begin(), draft.added.end());
    std::ranges::sort(entries, {}, &Entry::first);
    draft = {};
    return std::nullopt;
  }

  std::vector<Entry> entries;

 private:
  static bool same(const std::vector<Entry>& list, const Entry& entry) {
    return std::ranges::find(list, entry.serial, &Entry::serial) != list.end();
  }
  static void erase(std::vector<Entry>& list, const Entry& entry) {
    std::erase_if(list, [&](const Entry& other) { return other.serial == entry.serial; });
  }
  // What the draft leaves at the address.
  [[nodiscard]] std::optional<Entry> find(const Draft& draft, std::uint64_t at) const {
    for (const Entry& entry : draft.added) {
      if (entry.has(at)) return entry;
    }
    for (const Entry& entry : entries) {
      if (entry.has(at) && !same(draft.removed, entry)) return entry;
    }
    return std::nullopt;
  }
  [[nodiscard]] bool taken(const Draft& draft, std::uint64_t first, std::uint64_t last, const Entry* leaving) const {
    const auto in_the_way = [&](const Entry& entry) {
      return entry.overlaps(first, last) && !(leaving && entry.serial == leaving->serial);
    };
    return std::ranges::any_of(draft.added, in_the_way) || std::ranges::any_of(entries, [&](const Entry& entry) {
             return in_the_way(entry) && !same(draft.removed, entry);
           });
  }
  static void drop(Draft& draft, const Entry& entry) {
    if (same(draft.added, entry))
      erase(draft.added, entry);
    else
      draft.removed.push_back(entry);
  }

  unsigned serial_ = 0;
};

}  // namespace keel::fake
