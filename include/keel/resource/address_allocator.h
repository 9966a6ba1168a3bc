// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keel/base/error.h"
#include "keel/base/range.h"
#include "keel/base/try.h"
#include "keel/resource/detail/address_space.h"

namespace keel {

// Where an open request is placed: at the lowest or at the highest fitting address, whatever the history.
enum class Match : std::uint8_t { kFirst, kLast };

// What to take from an AddressAllocator. With `at`, exactly there (exact-match), and `match` means nothing.
template <typename A>
struct AddressRequest {
  std::uint64_t size = 0;       // addresses, at least 1
  std::uint64_t alignment = 1;  // of the first address; a power of two
  Match match = Match::kFirst;
  std::optional<A> at = std::nullopt;
  std::optional<Range<A>> within = std::nullopt;  // where to look; may reach beyond the managed range
  std::string_view owner = {};                    // for errors and listings; copied, kept once per name
};

template <typename A>
struct Allocation {
  Range<A> range;
  std::string owner;
  friend bool operator==(const Allocation&, const Allocation&) = default;
};

// The whole state of an allocator, to compare and to show: allocations in address order.
template <typename A>
struct AddressSnapshot {
  Range<A> managed;
  std::vector<Allocation<A>> allocations;
  friend bool operator==(const AddressSnapshot&, const AddressSnapshot&) = default;
};

// Hands out ranges of the addresses of one kind within a managed range, which may end at the last address there is.
// Satisfies ResourceAllocator<A, std::uint64_t>. What is freed merges with what is free around it. Allocating and
// freeing cost O(log n), except that a request that is not a power of two aligned to its size may pass over holes that
// look large enough and are not; refusing an open request costs O(n), to explain it. Not thread-safe; see lease.h.
//
// Every error leaves the allocator as it was: kInvalidArgument (size 0, alignment, `at` unaligned), kOutOfBounds (not
// in the managed range), kOverlap (names the holder), kExhausted (names the largest hole that would do), kNotFound
// (freeing what was not allocated as one range).
template <typename A>
class AddressAllocator {
 public:
  using Value = Range<A>;
  using Request = AddressRequest<A>;

  // `name` is what errors call this space: "mmio".
  AddressAllocator(std::string name, Range<A> managed)
      : space_(std::move(name), extent(managed), std::uint64_t{A::max().value()}) {}

  [[nodiscard]] Result<Range<A>> allocate(const AddressRequest<A>& request) {
    KEEL_TRY(const Extent taken,
             space_.take({.size = request.size,
                          .alignment = request.alignment,
                          .end = request.match == Match::kFirst ? detail::End::kLowest : detail::End::kHighest,
                          .at = request.at ? std::optional(std::uint64_t{request.at->value()}) : std::nullopt,
                          .within = request.within ? std::optional(extent(*request.within)) : std::nullopt,
                          .owner = request.owner}));
    return range(taken);
  }
  [[nodiscard]] Result<A> allocate(std::optional<A> at, std::uint64_t size) {
    KEEL_TRY(const Range<A> taken, allocate(AddressRequest<A>{.size = size, .at = at}));
    return taken.first();
  }
  // Takes exactly `wanted`: also the whole of a 64-bit space, whose size no integer holds.
  [[nodiscard]] Result<void> allocate(Range<A> wanted, std::string_view owner = {}) {
    return space_.take_exact(extent(wanted), owner);
  }

  // Precondition of success: `taken` was allocated as this one range.
  Result<void> free(Range<A> taken) { return space_.release(extent(taken)); }
  Result<void> free(A at, std::uint64_t size) {
    KEEL_TRY(const Extent taken, space_.extent_of(at.value(), size, {}));
    return space_.release(taken);
  }

  // Gives up `old` and takes `now` for the same owner, or fails and changes nothing. The two may overlap.
  [[nodiscard]] Result<void> update(Range<A> old, Range<A> now) { return space_.move(extent(old), extent(now)); }
  // The same in the contract's form; an empty old_size means the range allocated at `old`.
  [[nodiscard]] Result<A> update(std::optional<A> old, std::optional<std::uint64_t> old_size, A now,
                                 std::uint64_t size);

  [[nodiscard]] const std::string& name() const noexcept { return space_.name(); }
  [[nodiscard]] Range<A> managed() const { return range(space_.tree().managed()); }
  [[nodiscard]] std::uint64_t allocation_count() const noexcept { return space_.tree().size(); }
  // The allocation that `at` is part of.
  [[nodiscard]] std::optional<Allocation<A>> find(A at) const;
  // The largest hole within `within` after cutting it to start on `alignment`, a power of two.
  [[nodiscard]] std::optional<Range<A>> largest_hole(std::uint64_t alignment, Range<A> within) const;
  // Free addresses; 2^64 - 1 where they are 2^64.
  [[nodiscard]] std::uint64_t free_count() const { return space_.free_within(space_.tree().managed()); }

  // Calls visit(Range<A>, const std::string_view* owner) for every allocation and, with a null owner, every hole, in
  // address order: together they are the managed range.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    space_.tree().for_each([&](const detail::AllocationTree::Entry* entry, Extent where) {
      const std::string_view owner = entry == nullptr ? std::string_view() : space_.owner(*entry);
      visit(range(where), entry == nullptr ? nullptr : &owner);
    });
  }
  [[nodiscard]] std::vector<Range<A>> holes() const;
  [[nodiscard]] AddressSnapshot<A> snapshot() const;
  // Bytes of heap held.
  [[nodiscard]] std::uint64_t memory() const { return space_.memory(); }

  friend bool operator==(const AddressAllocator& a, const AddressAllocator& b) { return a.snapshot() == b.snapshot(); }

 private:
  using Extent = detail::Extent;

  static Extent extent(Range<A> range) noexcept { return {range.first().value(), range.last().value()}; }
  static Range<A> range(Extent extent) {
    using Rep = typename A::Value;
    return *Range<A>::from_bounds(A(static_cast<Rep>(extent.first)), A(static_cast<Rep>(extent.last)));
  }

  detail::AddressSpace space_;
};

template <typename A>
Result<A> AddressAllocator<A>::update(std::optional<A> old, std::optional<std::uint64_t> old_size, A now,
                                      std::uint64_t size) {
  if (!old) return allocate(now, size);
  KEEL_TRY(const Extent after, space_.extent_of(now.value(), size, {}));
  KEEL_TRY(const Extent before,
           old_size ? space_.extent_of(old->value(), *old_size, {}) : space_.allocated_at(old->value()));
  KEEL_TRY_VOID(space_.move(before, after));
  return now;
}

template <typename A>
std::optional<Allocation<A>> AddressAllocator<A>::find(A at) const {
  const auto entry = space_.tree().first_overlap({at.value(), at.value()});
  if (!entry) return std::nullopt;
  return Allocation<A>{range(entry->extent), std::string(space_.owner(*entry))};
}

template <typename A>
std::optional<Range<A>> AddressAllocator<A>::largest_hole(std::uint64_t alignment, Range<A> within) const {
  const std::optional<Extent> hole = space_.largest_hole(alignment, extent(within));
  return hole ? std::optional(range(*hole)) : std::nullopt;
}

template <typename A>
std::vector<Range<A>> AddressAllocator<A>::holes() const {
  std::vector<Range<A>> holes;
  for_each([&holes](Range<A> range, const std::string_view* owner) {
    if (owner == nullptr) holes.push_back(range);
  });
  return holes;
}

template <typename A>
AddressSnapshot<A> AddressAllocator<A>::snapshot() const {
  AddressSnapshot<A> snapshot{managed(), {}};
  snapshot.allocations.reserve(allocation_count());
  for_each([&snapshot](Range<A> range, const std::string_view* owner) {
    if (owner != nullptr) snapshot.allocations.push_back({range, std::string(*owner)});
  });
  return snapshot;
}

}  // namespace keel
