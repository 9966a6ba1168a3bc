// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "keel/base/address.h"
#include "keel/base/check.h"
#include "keel/base/error.h"

namespace keel {

// A closed range [first, last] of addresses of one kind: never empty, never wrapping, possibly ending at the very top
// of its space. `contains` and `overlaps` are different words and different functions.
template <typename A>
class Range {
 public:
  using AddressType = A;

  // [first, last]. Error: kInvalidArgument where last < first.
  [[nodiscard]] static Result<Range> from_bounds(A first, A last) {
    if (last < first) return fail(ErrorCode::kInvalidArgument, "range [{}, {}] ends before it starts", first, last);
    return Range(first, last);
  }

  // [base, base + size - 1]. Errors: kInvalidArgument where size is 0 or the range would pass the top of the space.
  [[nodiscard]] static Result<Range> from_size(A base, std::uint64_t size) {
    if (size == 0)
      return fail(ErrorCode::kInvalidArgument, "range at {} has size 0; a range holds at least one address", base);
    const std::optional<A> last = base.checked_add(size - 1);
    if (!last) {
      return fail(ErrorCode::kInvalidArgument, "range at {} of size {:#x} passes the top of the address space ({})",
                  base, size, A::max());
    }
    return Range(base, *last);
  }

  // For ranges the source spells out; wrong bounds do not compile.
  [[nodiscard]] static consteval Range constant(typename A::Value first, typename A::Value last) {
    if (last < first) throw "range ends before it starts";  // consteval: this is a compile error, never an exception
    return Range(A(first), A(last));
  }

  // The one address `at`.
  [[nodiscard]] static constexpr Range single(A at) noexcept { return Range(at, at); }
  // Every address there is.
  [[nodiscard]] static constexpr Range all() noexcept { return Range(A(0), A::max()); }

  [[nodiscard]] constexpr A first() const noexcept { return first_; }
  [[nodiscard]] constexpr A last() const noexcept { return last_; }
  // last - first: one less than the number of addresses, so that the whole space has one too.
  [[nodiscard]] constexpr std::uint64_t last_offset() const noexcept { return last_.offset_from(first_); }
  // The number of addresses; the full 64-bit space, which has 2^64, reports 2^64 - 1.
  [[nodiscard]] constexpr std::uint64_t size() const noexcept {
    const std::uint64_t last_index = last_offset();
    return last_index == std::numeric_limits<std::uint64_t>::max() ? last_index : last_index + 1;
  }

  [[nodiscard]] constexpr bool contains(A address) const noexcept { return first_ <= address && address <= last_; }
  // Every address of `other` is in this range.
  [[nodiscard]] constexpr bool contains(const Range& other) const noexcept {
    return first_ <= other.first_ && other.last_ <= last_;
  }
  // At least one address is in both.
  [[nodiscard]] constexpr bool overlaps(const Range& other) const noexcept {
    return first_ <= other.last_ && other.first_ <= last_;
  }
  [[nodiscard]] constexpr std::optional<Range> intersection(const Range& other) const noexcept {
    if (!overlaps(other)) return std::nullopt;
    return Range(std::max(first_, other.first_), std::min(last_, other.last_));
  }

  // By first address, then by last.
  friend constexpr auto operator<=>(const Range&, const Range&) noexcept = default;

 private:
  constexpr Range(A first, A last) noexcept : first_(first), last_(last) {}

  A first_;
  A last_;
};

using PioRange = Range<PioAddress>;
using MmioRange = Range<MmioAddress>;
using GuestRange = Range<GuestAddress>;

}  // namespace keel

template <typename A>
struct fmt::formatter<keel::Range<A>> {
  constexpr auto parse(format_parse_context& context) { return context.begin(); }
  auto format(const keel::Range<A>& range, format_context& context) const {
    return fmt::format_to(context.out(), "[{}, {}]", range.first(), range.last());
  }
};
