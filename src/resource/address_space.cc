// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/detail/address_space.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel::detail {

namespace {

std::string text(Extent extent) {
  return fmt::format("[{:#x}, {:#x}]", extent.first, extent.last);
}

std::string size_text(std::uint64_t last_offset) {
  return last_offset == ~std::uint64_t{0} ? "2^64" : fmt::format("{:#x}", last_offset + 1);
}

// ` for "net0"`, or nothing.
std::string for_owner(std::string_view owner) {
  return owner.empty() ? "" : fmt::format(" for \"{}\"", owner);
}

std::string held_by(std::string_view owner) {
  return owner.empty() ? "which is allocated without an owner's name" : fmt::format("held by \"{}\"", owner);
}

std::string aligned_text(std::uint64_t alignment) {
  return alignment == 1 ? "" : fmt::format(" aligned to {:#x}", alignment);
}

std::optional<Extent> intersection(Extent a, Extent b) {
  const Extent both{std::max(a.first, b.first), std::min(a.last, b.last)};
  return both.first <= both.last ? std::optional(both) : std::nullopt;
}

}  // namespace

Result<Extent> AddressSpace::take(const Request& request) {
  if (request.size == 0) {
    return fail(ErrorCode::kInvalidArgument, "{}: a range of size 0 was asked{}; ask for at least 1 address", name_,
                for_owner(request.owner));
  }
  if (!std::has_single_bit(request.alignment)) {
    return fail(ErrorCode::kInvalidArgument, "{}: alignment {:#x}{} is not a power of two", name_, request.alignment,
                for_owner(request.owner));
  }
  if (request.at) return take_at(request);
  const std::optional<Extent> within = intersection(request.within.value_or(tree_.managed()), tree_.managed());
  if (!within) {
    return fail(ErrorCode::kOutOfBounds, "{}: the bounds {}{} lie outside the managed space {}", name_,
                text(*request.within), for_owner(request.owner), text(tree_.managed()));
  }
  const Want want{request.size - 1, static_cast<unsigned>(std::countr_zero(request.alignment)), *within};
  const std::uint32_t label = labels_.hold(request.owner);
  if (const std::optional<std::uint64_t> at = tree_.take(request.end, want, label)) [[likely]]
    return Extent{*at, *at + want.last_offset};
  labels_.drop(label);
  return std::unexpected(no_room(request, *within));
}

Result<Extent> AddressSpace::take_at(const Request& request) {
  KEEL_TRY(const Extent extent, extent_of(*request.at, request.size, request.owner));
  const std::uint64_t mask = request.alignment - 1;
  if ((extent.first & mask) != 0) {
    const std::uint64_t below = extent.first & ~mask;
    const std::string above = top_ - below > mask ? fmt::format(" and {:#x}", below + mask + 1) : "";
    return fail(ErrorCode::kInvalidArgument,
                "{}: {:#x}{} is not aligned to {:#x}; the nearest addresses that are: {:#x}{}", name_, extent.first,
                for_owner(request.owner), request.alignment, below, above);
  }
  if (request.within && !request.within->contains(extent)) {
    return fail(ErrorCode::kOutOfBounds, "{}: {}{} is outside the bounds {}", name_, text(extent),
                for_owner(request.owner), text(*request.within));
  }
  KEEL_TRY_VOID(take_exact(extent, request.owner, request.alignment));
  return extent;
}

Result<void> AddressSpace::take_exact(Extent extent, std::string_view owner, std::uint64_t alignment) {
  KEEL_TRY_VOID(check_inside(extent, owner));
  const std::uint32_t label = labels_.hold(owner);
  if (tree_.take_exact(extent, label)) return {};
  labels_.drop(label);
  return std::unexpected(taken(extent, owner, alignment));
}

Result<void> AddressSpace::release(Extent extent) {
  const std::optional<std::uint32_t> label = tree_.release(extent);
  if (!label) [[unlikely]]
    return std::unexpected(not_allocated(extent));
  labels_.drop(*label);
  return {};
}

Result<void> AddressSpace::move(Extent old, Extent now) {
  const std::optional<std::uint32_t> label = tree_.release(old);
  if (!label) return std::unexpected(not_allocated(old));
  Result<void> inside = check_inside(now, labels_.name(*label));
  if (inside && tree_.take_exact(now, *label)) return {};
  if (inside) inside = std::unexpected(taken(now, labels_.name(*label), 1));
  check(tree_.take_exact(old, *label), "a range just given up could not be taken back");
  return inside;
}

Result<Extent> AddressSpace::extent_of(std::uint64_t at, std::uint64_t size, std::string_view owner) const {
  if (size == 0) {
    return fail(ErrorCode::kInvalidArgument, "{}: a range of size 0 was asked{} at {:#x}; ask for at least 1 address",
                name_, for_owner(owner), at);
  }
  if (at > top_ || size - 1 > top_ - at) {
    return fail(ErrorCode::kOutOfBounds, "{}: {:#x} addresses from {:#x}{} pass the top of the address space ({:#x})",
                name_, size, at, for_owner(owner), top_);
  }
  return Extent{at, at + (size - 1)};
}

Result<Extent> AddressSpace::allocated_at(std::uint64_t at) const {
  const std::optional<AllocationTree::Entry> there = tree_.first_overlap({at, at});
  if (!there || there->extent.first != at) return std::unexpected(not_allocated({at, at}));
  return there->extent;
}

std::optional<Extent> AddressSpace::largest_hole(std::uint64_t alignment, Extent within) const {
  std::optional<Extent> best;
  tree_.for_each([&](const AllocationTree::Entry* entry, Extent extent) {
    const std::optional<Extent> hole = entry == nullptr ? intersection(extent, within) : std::nullopt;
    if (!hole) return;
    const std::uint64_t skipped = (0 - hole->first) & (alignment - 1);
    if (skipped > hole->last - hole->first) return;
    const Extent usable{hole->first + skipped, hole->last};
    if (!best || usable.last - usable.first > best->last - best->first) best = usable;
  });
  return best;
}

std::uint64_t AddressSpace::free_within(Extent within) const {
  std::uint64_t free = 0;
  tree_.for_each([&](const AllocationTree::Entry* entry, Extent extent) {
    const std::optional<Extent> hole = entry == nullptr ? intersection(extent, within) : std::nullopt;
    if (!hole) return;
    const std::uint64_t last_offset = hole->last - hole->first;
    free = last_offset == ~std::uint64_t{0} ? last_offset : free + last_offset + 1;
  });
  return free;
}

// Explaining.

Result<void> AddressSpace::check_inside(Extent extent, std::string_view owner) const {
  if (tree_.managed().contains(extent)) return {};
  return fail(ErrorCode::kOutOfBounds, "{}: {}{} is outside the managed space {}", name_, text(extent),
              for_owner(owner), text(tree_.managed()));
}

Error AddressSpace::no_room(const Request& request, Extent within) const {
  const std::string what = fmt::format("{}: no room for {:#x} addresses{} in {}{}", name_, request.size,
                                       aligned_text(request.alignment), text(within), for_owner(request.owner));
  if (within.last - within.first < request.size - 1) {
    return {ErrorCode::kExhausted, fmt::format("{}, which are only {} addresses; ask for less or widen the bounds",
                                               what, size_text(within.last - within.first))};
  }
  const std::uint64_t free = free_within(within);
  if (free == 0) {
    return {ErrorCode::kExhausted,
            fmt::format("{}: nothing is free there; free a range or widen the bounds{}", what, holders(within))};
  }
  const std::optional<Extent> hole = largest_hole(request.alignment, within);
  if (!hole) {
    return {
        ErrorCode::kExhausted,
        fmt::format("{}: {:#x} are free there, but no free address is so aligned; lower the alignment, free a range "
                    "or widen the bounds{}",
                    what, free, holders(within))};
  }
  const std::string size = size_text(hole->last - hole->first);
  return {
      ErrorCode::kExhausted,
      fmt::format("{}: {:#x} are free there, the largest hole{} is {} ({}); ask for at most {}, free a range or widen "
                  "the bounds{}",
                  what, free, request.alignment == 1 ? "" : " so aligned", text(*hole), size, size, holders(within))};
}

Error AddressSpace::taken(Extent extent, std::string_view asker, std::uint64_t alignment) const {
  const std::optional<AllocationTree::Entry> holder = tree_.first_overlap(extent);
  check(holder.has_value(), "a range was refused that nothing overlaps");
  const Want elsewhere{extent.last - extent.first, static_cast<unsigned>(std::countr_zero(alignment)), tree_.managed()};
  const std::optional<std::uint64_t> at = tree_.find(End::kLowest, elsewhere);
  const std::string advice =
      at ? fmt::format("free that first, or leave the address open: {} is the lowest place that fits",
                       text({*at, *at + elsewhere.last_offset}))
         : fmt::format("free that first; {}", no_other_place(alignment));
  return {ErrorCode::kOverlap, fmt::format("{}: {}{} overlaps {} {}; {}", name_, text(extent), for_owner(asker),
                                           text(holder->extent), held_by(owner(*holder)), advice)};
}

std::string AddressSpace::no_other_place(std::uint64_t alignment) const {
  const std::string managed = text(tree_.managed());
  if (free_within(tree_.managed()) == 0) return fmt::format("nothing of {} is free", managed);
  const std::optional<Extent> hole = largest_hole(alignment, tree_.managed());
  if (!hole) return fmt::format("no free address of {} is{}", managed, aligned_text(alignment));
  return fmt::format("no hole of {} is large enough, the largest{} is {} ({})", managed, aligned_text(alignment),
                     text(*hole), size_text(hole->last - hole->first));
}

std::string AddressSpace::holders(Extent within) const {
  constexpr std::size_t kShown = 8;
  std::string list;
  std::size_t count = 0;
  tree_.for_each([&](const AllocationTree::Entry* entry, Extent extent) {
    if (entry == nullptr || !intersection(extent, within) || ++count > kShown) return;
    const std::string_view name = owner(*entry);
    list += fmt::format("{}{} {}", count == 1 ? "; held by: " : ", ", text(extent),
                        name.empty() ? "(no name)" : fmt::format("\"{}\"", name));
  });
  return count > kShown ? fmt::format("{} and {} more", list, count - kShown) : list;
}

Error AddressSpace::not_allocated(Extent extent) const {
  const std::optional<AllocationTree::Entry> there = tree_.first_overlap(extent);
  if (!there) {
    return {ErrorCode::kNotFound,
            fmt::format("{}: {} is not allocated, so it cannot be given back or moved (was it freed twice?)", name_,
                        text(extent))};
  }
  return {ErrorCode::kNotFound,
          fmt::format("{}: {} was not allocated as one range: {} {} is there; name that range exactly", name_,
                      text(extent), text(there->extent), held_by(owner(*there)))};
}

}  // namespace keel::detail
