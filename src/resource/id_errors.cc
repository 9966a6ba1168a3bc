// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/detail/id_errors.h"

#include <optional>

#include <fmt/format.h>

namespace keel::detail {

namespace {

struct Run {
  std::uint64_t begin = 0;
  std::uint64_t count = 0;
};

Run longest_run(const IdBitmap& taken, IdBitmap::Span where) {
  Run best;
  std::uint64_t id = where.begin;
  while (const std::optional<std::uint64_t> begin = taken.next_free({id, where.end})) {
    id = taken.next_taken({*begin, where.end}).value_or(where.end);
    if (id - *begin > best.count) best = {*begin, id - *begin};
  }
  return best;
}

}  // namespace

Error id_count_zero(const IdNames& names) {
  return {ErrorCode::kInvalidArgument, fmt::format("{}: a run of 0 ids was asked for; ask for at least 1", names.kind)};
}

Error id_outside(const IdNames& names, std::uint64_t first, std::uint64_t last) {
  std::string asked = fmt::format("[{}, {}]", first, last);
  if (first == last) asked = fmt::format("{}", first);
  if (last == ~std::uint64_t{0}) asked = fmt::format("the run that starts at {}", first);
  return {ErrorCode::kOutOfBounds, fmt::format("{} {} is outside the range to choose from, [{}, {}]", names.kind, asked,
                                               names.first, names.last)};
}

Error id_taken(const IdNames& names, const IdBitmap& taken, std::uint64_t index) {
  const std::optional<std::uint64_t> lowest = taken.next_free({0, taken.size()});
  const std::string advice =
      lowest ? fmt::format("free it first, or leave the number open: {} is the lowest free one", *lowest + names.first)
             : fmt::format("free it first; all {} of [{}, {}] are taken", taken.size(), names.first, names.last);
  return {ErrorCode::kAlreadyExists, fmt::format("{} {} is taken; {}", names.kind, index + names.first, advice)};
}

Error id_not_taken(const IdNames& names, std::uint64_t id) {
  return {ErrorCode::kNotFound,
          fmt::format("{} {} is not taken, so it cannot be given back (was it freed twice?)", names.kind, id)};
}

Error ids_exhausted(const IdNames& names, const IdBitmap& taken, std::uint64_t count, IdBitmap::Span where) {
  const std::uint64_t size = where.end - where.begin;
  const std::string bounds = fmt::format("[{}, {}]", where.begin + names.first, where.end - 1 + names.first);
  const Run longest = longest_run(taken, where);
  if (longest.count == 0) {
    return {ErrorCode::kExhausted, fmt::format("no {} is left: all {} of {} are taken; free one or widen the range",
                                               names.kind, size, bounds)};
  }
  return {ErrorCode::kExhausted,
          fmt::format("no {} {}s in a row are left in {}: {} are free, the longest run is {} from {}; ask for at most "
                      "{}, or free or widen",
                      count, names.kind, bounds, taken.free_in(where), longest.count, longest.begin + names.first,
                      longest.count)};
}

}  // namespace keel::detail
