// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <concepts>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

#include "keel/base/error.h"

namespace keel {

// What may number things: an unsigned integer of up to 32 bits, bare or wrapped in a Number.
template <typename Id>
struct IdTraits;
template <std::unsigned_integral Id>
  requires(sizeof(Id) <= 4)
struct IdTraits<Id> {
  using Rep = Id;
  static constexpr std::uint32_t value(Id id) noexcept { return id; }
};
template <typename Id>
  requires(std::unsigned_integral<typename Id::Value> && sizeof(typename Id::Value) <= 4)
struct IdTraits<Id> {
  using Rep = typename Id::Value;
  static constexpr std::uint32_t value(Id id) noexcept { return id.value(); }
};

// A closed run [first, last] of ids: never empty, never wrapping, possibly ending at the last id there is.
template <typename Id>
class IdRange {
 public:
  using Rep = typename IdTraits<Id>::Rep;

  // Error: kInvalidArgument where last < first.
  [[nodiscard]] static Result<IdRange> from_bounds(Id first, Id last) {
    if (last < first) return fail(ErrorCode::kInvalidArgument, "id range [{}, {}] ends before it starts", first, last);
    return IdRange(first, last);
  }

  // [first, first + count - 1]. Errors: kInvalidArgument where count is 0 or the run would pass the last id of the
  // type.
  [[nodiscard]] static Result<IdRange> from_count(Id first, std::uint64_t count) {
    if (count == 0) return fail(ErrorCode::kInvalidArgument, "a run of ids at {} of count 0 holds no id", first);
    const std::uint64_t room = std::uint64_t{Rep(~Rep{0})} - IdTraits<Id>::value(first);
    if (count - 1 > room)
      return fail(ErrorCode::kInvalidArgument, "{} ids from {} pass the last id ({})", count, first, Rep(~Rep{0}));
    return IdRange(first, Id(static_cast<Rep>(IdTraits<Id>::value(first) + (count - 1))));
  }

  // For runs the source spells out; wrong bounds do not compile.
  [[nodiscard]] static consteval IdRange constant(Rep first, Rep last) {
    if (last < first) throw "id range ends before it starts";  // consteval: a compile error, never an exception
    return IdRange(Id(first), Id(last));
  }
  [[nodiscard]] static constexpr IdRange single(Id id) noexcept { return IdRange(id, id); }

  [[nodiscard]] constexpr Id first() const noexcept { return first_; }
  [[nodiscard]] constexpr Id last() const noexcept { return last_; }
  // 1 to 2^32.
  [[nodiscard]] constexpr std::uint64_t count() const noexcept {
    return std::uint64_t{IdTraits<Id>::value(last_)} - IdTraits<Id>::value(first_) + 1;
  }
  // The id `index` places into the run. Precondition: index < count().
  [[nodiscard]] constexpr Id at(std::uint64_t index) const noexcept {
    return Id(static_cast<Rep>(IdTraits<Id>::value(first_) + index));
  }
  [[nodiscard]] constexpr bool contains(Id id) const noexcept { return first_ <= id && id <= last_; }
  [[nodiscard]] constexpr bool contains(const IdRange& other) const noexcept {
    return first_ <= other.first_ && other.last_ <= last_;
  }
  [[nodiscard]] constexpr bool overlaps(const IdRange& other) const noexcept {
    return first_ <= other.last_ && other.first_ <= last_;
  }
  [[nodiscard]] constexpr std::optional<IdRange> intersection(const IdRange& other) const noexcept {
    if (!overlaps(other)) return std::nullopt;
    return IdRange(first_ < other.first_ ? other.first_ : first_, other.last_ < last_ ? other.last_ : last_);
  }

  friend constexpr auto operator<=>(const IdRange&, const IdRange&) noexcept = default;

 private:
  constexpr IdRange(Id first, Id last) noexcept : first_(first), last_(last) {}

  Id first_;
  Id last_;
};

}  // namespace keel

// "7" for one id, "[5, 23]" for more.
template <typename Id>
struct fmt::formatter<keel::IdRange<Id>> {
  constexpr auto parse(format_parse_context& context) { return context.begin(); }
  auto format(const keel::IdRange<Id>& range, format_context& context) const {
    if (range.first() == range.last()) return fmt::format_to(context.out(), "{}", range.first());
    return fmt::format_to(context.out(), "[{}, {}]", range.first(), range.last());
  }
};
