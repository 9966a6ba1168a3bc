// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "keel/base/error.h"
#include "keel/resource/detail/allocation_tree.h"
#include "keel/resource/detail/label_table.h"

namespace keel::detail {

// AddressAllocator without the address type: checks requests, keeps owners' names, explains refusals.
class AddressSpace {
 public:
  struct Request {
    std::uint64_t size;
    std::uint64_t alignment;
    End end;
    std::optional<std::uint64_t> at;
    std::optional<Extent> within;
    std::string_view owner;
  };

  // `top` is the last address of the type.
  AddressSpace(std::string name, Extent managed, std::uint64_t top)
      : name_(std::move(name)), top_(top), tree_(managed) {}

  Result<Extent> take(const Request& request);
  // `alignment` is what the asker would need elsewhere.
  Result<void> take_exact(Extent extent, std::string_view owner, std::uint64_t alignment = 1);
  Result<void> release(Extent extent);
  Result<void> move(Extent old, Extent now);

  // The range of `size` addresses from `at` on, where there is one.
  [[nodiscard]] Result<Extent> extent_of(std::uint64_t at, std::uint64_t size, std::string_view owner) const;
  // What is allocated at exactly `at`.
  [[nodiscard]] Result<Extent> allocated_at(std::uint64_t at) const;
  // Of the holes within `within`, cut to it and to start on `alignment`, the largest (the lowest of equals).
  [[nodiscard]] std::optional<Extent> largest_hole(std::uint64_t alignment, Extent within) const;
  // How many addresses of `within` are free, 2^64 - 1 where it is 2^64.
  [[nodiscard]] std::uint64_t free_within(Extent within) const;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const AllocationTree& tree() const noexcept { return tree_; }
  [[nodiscard]] std::string_view owner(const AllocationTree::Entry& entry) const { return labels_.name(entry.label); }
  [[nodiscard]] std::uint64_t memory() const { return tree_.memory() + labels_.memory(); }

 private:
  [[nodiscard]] Result<Extent> take_at(const Request& request);
  // What stands in the way of a whole range, as far as its place is concerned.
  [[nodiscard]] Result<void> check_inside(Extent extent, std::string_view owner) const;
  [[nodiscard]] Error no_room(const Request& request, Extent within) const;
  [[nodiscard]] Error taken(Extent extent, std::string_view asker, std::uint64_t alignment) const;
  [[nodiscard]] Error not_allocated(Extent extent) const;
  // Why a range that fits nowhere does not.
  [[nodiscard]] std::string no_other_place(std::uint64_t alignment) const;
  // `; held by: [0xd0000000, 0xd0000fff] "net0", …`: the lowest few that share an address with `within`, or nothing.
  [[nodiscard]] std::string holders(Extent within) const;

  std::string name_;
  std::uint64_t top_;
  AllocationTree tree_;
  LabelTable labels_;
};

}  // namespace keel::detail
