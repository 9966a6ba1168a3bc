// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "keel/base/range.h"
#include "keel/resource/address_allocator.h"

namespace keel::test {

// What AddressAllocator must answer, found by walking an ordered list of allocations from end to end, every time.
template <typename A>
class AddressModel {
 public:
  using Value = typename A::Value;

  explicit AddressModel(Range<A> managed) : managed_(managed) {}

  // The range that request must get; nothing where it must be refused.
  [[nodiscard]] std::optional<Range<A>> allocate(const AddressRequest<A>& request) {
    const std::optional<Range<A>> place = request.at ? place_at(request) : place_open(request);
    if (place) taken_.emplace(place->first(), place->last());
    return place;
  }
  [[nodiscard]] bool allocate(Range<A> wanted) {
    if (!managed_.contains(wanted) || overlaps(wanted)) return false;
    taken_.emplace(wanted.first(), wanted.last());
    return true;
  }
  [[nodiscard]] bool free(Range<A> range) {
    const auto there = taken_.find(range.first());
    if (there == taken_.end() || there->second != range.last()) return false;
    taken_.erase(there);
    return true;
  }
  [[nodiscard]] bool update(Range<A> old, Range<A> now) {
    if (!free(old)) return false;
    if (allocate(now)) return true;
    taken_.emplace(old.first(), old.last());
    return false;
  }
  [[nodiscard]] const std::map<A, A>& taken() const { return taken_; }

 private:
  [[nodiscard]] bool overlaps(Range<A> range) const {
    for (const auto& [first, last] : taken_)
      if (first <= range.last() && range.first() <= last) return true;
    return false;
  }
  [[nodiscard]] std::optional<Range<A>> place_at(const AddressRequest<A>& request) const {
    const auto range = Range<A>::from_size(*request.at, request.size);
    if (!range || !request.at->is_aligned(request.alignment) || !managed_.contains(*range)) return std::nullopt;
    if (request.within && !request.within->contains(*range)) return std::nullopt;
    return overlaps(*range) ? std::nullopt : std::optional(*range);
  }
  // In 128 bits, where nothing can wrap.
  [[nodiscard]] std::optional<Range<A>> place_open(const AddressRequest<A>& request) const {
    __extension__ typedef unsigned __int128 Wide;  // no standard name
    if (request.size == 0) return std::nullopt;
    const auto bounds = managed_.intersection(request.within.value_or(managed_));
    if (!bounds) return std::nullopt;
    std::optional<Range<A>> best;
    const auto consider = [&](Wide begin, Wide end) {  // a hole, half open
      begin = begin < bounds->first().value() ? bounds->first().value() : begin;
      end = end > Wide{bounds->last().value()} + 1 ? Wide{bounds->last().value()} + 1 : end;
      if (begin >= end || end - begin < request.size) return;
      Wide at = (begin + request.alignment - 1) / request.alignment * request.alignment;
      if (request.match == Match::kLast) at = (end - request.size) / request.alignment * request.alignment;
      if (at < begin || at + request.size > end || (best && request.match == Match::kFirst)) return;
      best = *Range<A>::from_size(A(static_cast<Value>(at)), request.size);
    };
    Wide begin = managed_.first().value();
    for (const auto& [first, last] : taken_) {
      consider(begin, first.value());
      begin = Wide{last.value()} + 1;
    }
    consider(begin, Wide{managed_.last().value()} + 1);
    return best;
  }

  Range<A> managed_;
  std::map<A, A> taken_;
};

}  // namespace keel::test
