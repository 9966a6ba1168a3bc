// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "keel/base/error.h"
#include "keel/base/try.h"
#include "keel/resource/detail/id_bitmap.h"
#include "keel/resource/detail/id_errors.h"
#include "keel/resource/id_range.h"

namespace keel {

// What to take from an IdAllocator: `count` ids in a row, from `at` on or, without it, the lowest within `within`
// (without that, anywhere).
template <typename Id>
struct IdRequest {
  std::uint64_t count = 1;
  std::optional<Id> at = std::nullopt;
  std::optional<IdRange<Id>> within = std::nullopt;
};

// The whole state of an allocator, to compare and to show: what is taken, as the longest runs there are, in order.
template <typename Id>
struct IdSnapshot {
  IdRange<Id> managed;
  std::vector<IdRange<Id>> taken;
  friend bool operator==(const IdSnapshot&, const IdSnapshot&) = default;
};

// Hands out the ids of one closed range, lowest free first, and never one id to two owners. Satisfies
// ResourceAllocator<Id, std::uint64_t>. One id costs a few ns whatever is taken; runs cost a scan over 64 ids a step.
// Memory: 520 bytes per 4096 ids from which single ids were taken. Not thread-safe; see lease.h.
//
// Every error leaves the allocator as it was: kInvalidArgument (count 0), kOutOfBounds (nothing of it in the managed
// range), kAlreadyExists (an exact id is taken), kExhausted, kNotFound (freeing what is not taken).
template <typename Id = std::uint32_t>
class IdAllocator {
 public:
  using Value = IdRange<Id>;
  using Request = IdRequest<Id>;

  // `kind` is what errors call one of these ids: "gsi".
  IdAllocator(std::string kind, IdRange<Id> managed)
      : kind_(std::move(kind)), managed_(managed), taken_(managed.count()) {}

  // The lowest free id.
  [[nodiscard]] Result<Id> allocate() {
    if (const std::optional<std::uint32_t> index = taken_.take_lowest()) [[likely]]
      return managed_.at(*index);
    return std::unexpected(explain({}, {0, taken_.size()}));
  }
  [[nodiscard]] Result<IdRange<Id>> allocate(const IdRequest<Id>& request);
  [[nodiscard]] Result<Id> allocate(std::optional<Id> at, std::uint64_t count) {
    KEEL_TRY(const IdRange<Id> run, allocate(IdRequest<Id>{.count = count, .at = at}));
    return run.first();
  }

  // Any part of what was taken may be given back; runs have no identity.
  Result<void> free(Id id) {
    if (!managed_.contains(id)) [[unlikely]]
      return std::unexpected(detail::id_outside(names(), value(id), value(id)));
    if (!taken_.release(value(id) - base())) [[unlikely]]
      return std::unexpected(detail::id_not_taken(names(), value(id)));
    return {};
  }
  Result<void> free(IdRange<Id> run);
  Result<void> free(Id first, std::uint64_t count) {
    KEEL_TRY(const IdRange<Id> run, run_of(first, count));
    return free(run);
  }

  // Gives up `old` and takes `now`, or fails and changes nothing. An empty old_count means 1.
  [[nodiscard]] Result<Id> update(std::optional<Id> old, std::optional<std::uint64_t> old_count, Id now,
                                  std::uint64_t count);
  [[nodiscard]] Result<void> update(IdRange<Id> old, IdRange<Id> now);

  [[nodiscard]] const std::string& kind() const noexcept { return kind_; }
  [[nodiscard]] IdRange<Id> managed() const noexcept { return managed_; }
  [[nodiscard]] bool is_taken(Id id) const {
    return managed_.contains(id) && !taken_.next_free({value(id) - base(), std::uint64_t{value(id)} - base() + 1});
  }
  [[nodiscard]] std::uint64_t taken_count() const noexcept { return taken_.taken(); }
  [[nodiscard]] std::uint64_t free_count() const noexcept { return taken_.size() - taken_.taken(); }
  [[nodiscard]] IdSnapshot<Id> snapshot() const;
  // Bytes of heap held.
  [[nodiscard]] std::uint64_t memory() const { return taken_.memory(); }

  friend bool operator==(const IdAllocator& a, const IdAllocator& b) { return a.snapshot() == b.snapshot(); }

 private:
  using Span = detail::IdBitmap::Span;

  static constexpr std::uint32_t value(Id id) noexcept { return IdTraits<Id>::value(id); }
  [[nodiscard]] std::uint32_t base() const noexcept { return value(managed_.first()); }
  [[nodiscard]] detail::IdNames names() const { return {kind_, base(), value(managed_.last())}; }
  [[nodiscard]] Span span(IdRange<Id> run) const noexcept {
    return {value(run.first()) - base(), std::uint64_t{value(run.last())} - base() + 1};
  }
  // The run, where it is one of ours.
  [[nodiscard]] Result<IdRange<Id>> run_of(Id first, std::uint64_t count) const;
  [[nodiscard]] Error explain(const IdRequest<Id>& request, Span where) const {
    return detail::ids_exhausted(names(), taken_, request.count, where);
  }

  std::string kind_;
  IdRange<Id> managed_;
  detail::IdBitmap taken_;
};

template <typename Id>
Result<IdRange<Id>> IdAllocator<Id>::run_of(Id first, std::uint64_t count) const {
  if (count == 0) return std::unexpected(detail::id_count_zero(names()));
  const std::uint64_t last = value(first) + (count - 1);
  if (!managed_.contains(first) || count > managed_.count() || last > value(managed_.last()))
    return std::unexpected(detail::id_outside(names(), value(first), count > managed_.count() ? ~0ull : last));
  return IdRange<Id>::from_count(first, count);
}

template <typename Id>
Result<IdRange<Id>> IdAllocator<Id>::allocate(const IdRequest<Id>& request) {
  if (request.at) {
    KEEL_TRY(const IdRange<Id> run, run_of(*request.at, request.count));
    if (request.within && !request.within->contains(run)) {
      return std::unexpected(detail::id_outside({kind_, value(request.within->first()), value(request.within->last())},
                                                value(run.first()), value(run.last())));
    }
    if (const auto taken = taken_.next_taken(span(run)))
      return std::unexpected(detail::id_taken(names(), taken_, *taken));
    taken_.take(span(run));
    return run;
  }
  if (request.count == 0) return std::unexpected(detail::id_count_zero(names()));
  const IdRange<Id> bounds = request.within.value_or(managed_);
  const std::optional<IdRange<Id>> ours = managed_.intersection(bounds);
  if (!ours) return std::unexpected(detail::id_outside(names(), value(bounds.first()), value(bounds.last())));
  const Span where = span(*ours);
  const std::optional<std::uint64_t> begin = taken_.find_run(request.count, where);
  if (!begin) return std::unexpected(explain(request, where));
  taken_.take({*begin, *begin + request.count});
  return IdRange<Id>::from_count(managed_.at(*begin), request.count);
}

template <typename Id>
Result<void> IdAllocator<Id>::free(IdRange<Id> run) {
  if (!managed_.contains(run)) {
    return std::unexpected(detail::id_outside(names(), value(run.first()), value(run.last())));
  }
  if (const auto hole = taken_.next_free(span(run)))
    return std::unexpected(detail::id_not_taken(names(), *hole + base()));
  taken_.release(span(run));
  return {};
}

template <typename Id>
Result<Id> IdAllocator<Id>::update(std::optional<Id> old, std::optional<std::uint64_t> old_count, Id now,
                                   std::uint64_t count) {
  if (!old) return allocate(now, count);
  KEEL_TRY(const IdRange<Id> before, run_of(*old, old_count.value_or(1)));
  KEEL_TRY(const IdRange<Id> after, run_of(now, count));
  KEEL_TRY_VOID(update(before, after));
  return now;
}

template <typename Id>
Result<void> IdAllocator<Id>::update(IdRange<Id> old, IdRange<Id> now) {
  KEEL_TRY_VOID(free(old));
  const Result<IdRange<Id>> taken = allocate({.count = now.count(), .at = now.first()});
  if (taken) return {};
  taken_.take(span(old));
  return std::unexpected(taken.error());
}

template <typename Id>
IdSnapshot<Id> IdAllocator<Id>::snapshot() const {
  IdSnapshot<Id> snapshot{managed_, {}};
  std::uint64_t from = 0;
  while (const std::optional<std::uint64_t> begin = taken_.next_taken({from, taken_.size()})) {
    from = taken_.next_free({*begin, taken_.size()}).value_or(taken_.size());
    snapshot.taken.push_back(*IdRange<Id>::from_bounds(managed_.at(*begin), managed_.at(from - 1)));
  }
  return snapshot;
}

}  // namespace keel
