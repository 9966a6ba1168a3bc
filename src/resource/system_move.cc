// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// SystemCore's moves, in one step and in two.

#include <type_traits>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "keel/base/check.h"
#include "keel/base/try.h"
#include "keel/resource/detail/system_core.h"

namespace keel::detail {

namespace {

// What of `old` is not in `now`.
template <typename A>
std::vector<Range<A>> outside(Range<A> old, Range<A> now) {
  if (!old.overlaps(now)) return {old};
  const auto next_to = [](A address, int step) {
    return A(static_cast<typename A::Value>(address.value() + static_cast<typename A::Value>(step)));
  };
  std::vector<Range<A>> pieces;
  if (old.first() < now.first()) pieces.push_back(*Range<A>::from_bounds(old.first(), next_to(now.first(), -1)));
  if (now.last() < old.last()) pieces.push_back(*Range<A>::from_bounds(next_to(now.last(), 1), old.last()));
  return pieces;
}

std::vector<Resource> outside(const Resource& old, const Resource& now) {
  std::vector<Resource> pieces;
  if (const auto* pio = std::get_if<PioResource>(&old)) {
    for (const PioRange piece : outside(pio->range, std::get<PioResource>(now).range))
      pieces.emplace_back(PioResource{piece});
  } else if (const auto* mmio = std::get_if<MmioResource>(&old)) {
    for (const MmioRange piece : outside(mmio->range, std::get<MmioResource>(now).range))
      pieces.emplace_back(MmioResource{piece});
  }
  return pieces;
}

}  // namespace

Result<void> SystemCore::move_any(const Resource& old, const Resource& now, std::string_view owner) {
  return std::visit(
      [this, owner](const auto& from, const auto& to) -> Result<void> {
        if constexpr (std::is_same_v<decltype(from), decltype(to)>) return move_one(from, to, owner);
        return fail(ErrorCode::kInvalidArgument, "a resource stays of its kind");
      },
      old, now);
}

Result<void> SystemCore::move(InstanceId id, const Resource& old, const Resource& now) {
  Holding& holding = holdings_.at(id);
  const std::string what = fmt::format("\"{}\": moving {} to {} failed", holding.owner, to_string(old), to_string(now));
  if (!holding.resources.contains(old)) {
    return fail(ErrorCode::kNotFound, "{}: it holds only: {}", what, to_string(holding.resources));
  }
  if (const Result<void> ready = step("move"); !ready) return std::unexpected(ready.error().within(what));
  const Result<void> moved = move_any(old, now, holding.owner);
  if (!moved) return std::unexpected(moved.error().within(what));
  holding.resources.replace(old, now);
  return {};
}

Result<void> SystemCore::begin_move(InstanceId id, const Resource& old, const Resource& now) {
  KEEL_TRY_VOID(move(id, old, now));
  for (const Resource& piece : outside(old, now)) {
    const Result<void> kept = keep(piece, holdings_.at(id).owner);
    check(kept.has_value(), "a range just given up cannot be kept");
  }
  return {};
}

void SystemCore::finish_move(const Resource& old, const Resource& now) {
  for (const Resource& piece : outside(old, now)) std::visit([this](const auto& one) { free(one); }, piece);
}

void SystemCore::undo_move(InstanceId id, const Resource& old, const Resource& now) {
  finish_move(old, now);
  Holding& holding = holdings_.at(id);
  check(move_any(now, old, holding.owner).has_value(), "a range that was kept cannot be had again");
  holding.resources.replace(now, old);
}

Result<void> SystemCore::keep(const Resource& piece, std::string_view owner) {
  if (const auto* pio = std::get_if<PioResource>(&piece)) return spaces_.pio->allocate(pio->range, owner);
  const MmioRange range = std::get<MmioResource>(piece).range;
  return window_of(range)->allocate(range, owner);
}

}  // namespace keel::detail
