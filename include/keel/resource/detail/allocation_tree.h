// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace keel::detail {

// A closed range of numbers. The typed shell (AddressAllocator) turns Range<A> into this and back.
struct Extent {
  std::uint64_t first;
  std::uint64_t last;

  [[nodiscard]] bool contains(const Extent& other) const noexcept { return first <= other.first && other.last <= last; }
  friend bool operator==(const Extent&, const Extent&) = default;
};

enum class End : std::uint8_t { kLowest, kHighest };

// A place to look for: a range of last_offset + 1 addresses, all of it in `within`, its first a multiple of
// 2^align_order.
struct Want {
  std::uint64_t last_offset;
  unsigned align_order;
  Extent within;
};

// The lowest or highest place for `want` in the free range `hole`.
std::optional<std::uint64_t> fit(End end, Extent hole, const Want& want);

// The allocated ranges of a managed space in address order, each with the hole right before it: a B+ tree whose inner
// nodes know, per child, the largest hole below and the largest naturally aligned power of two that a hole below
// contains. Both are upper bounds for any fit, and the second is exact for the usual request (a power of two, aligned
// to its size), so that the lowest and the highest fit are found by descending, not by walking. docs/decisions/
// address-allocator.md has the alternatives and their figures.
//
// One structure holds everything: what is free is what lies between two neighbours, so nothing can be lost between two
// books, and freed neighbours are one hole by construction. Nodes come from an arena and return to it.
class AllocationTree {
 public:
  struct Entry {
    Extent extent;
    std::uint32_t label;
  };
  static constexpr unsigned kSlots = 32;

  explicit AllocationTree(Extent managed) noexcept;
  AllocationTree(AllocationTree&& other) noexcept;
  AllocationTree& operator=(AllocationTree&& other) noexcept;
  ~AllocationTree();

  // Takes the lowest or highest fit. Precondition: want.within is part of the managed space.
  std::optional<std::uint64_t> take(End end, const Want& want, std::uint32_t label);
  // Takes exactly `extent`; false when any of it is taken. Precondition: it is part of the managed space.
  bool take_exact(Extent extent, std::uint32_t label);
  // Gives back the entry that is exactly `extent`, and says what its label was.
  std::optional<std::uint32_t> release(Extent extent);

  // The lowest entry that shares an address with `extent`.
  [[nodiscard]] std::optional<Entry> first_overlap(Extent extent) const;
  // As take(), but only looks.
  [[nodiscard]] std::optional<std::uint64_t> find(End end, const Want& want) const;

  // Calls visit(const Entry*, Extent) for every allocated range and, with a null entry, every hole, in address order.
  template <typename Visit>
  void for_each(Visit&& visit) const;

  [[nodiscard]] Extent managed() const noexcept { return managed_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  // Bytes of heap held.
  [[nodiscard]] std::uint64_t memory() const noexcept;
  // Whether all that the tree keeps twice agrees, for tests: order, holes, what inner nodes know of those below.
  [[nodiscard]] bool consistent() const;

 private:
  struct Node;
  struct Slot;
  struct Path;
  class Arena;

  template <typename Visit>
  static void for_each(const Node& node, unsigned height, Visit& visit);

  bool consistent_below(Node& node, unsigned level, std::optional<std::uint64_t>& previous_last) const;

  template <End kEnd>
  std::optional<std::uint64_t> seek(Path& path, const Want& want) const;
  template <End kEnd>
  std::optional<std::uint64_t> seek_below(Node& node, unsigned level, Path& path, const Want& want) const;
  std::optional<std::uint64_t> seek(End end, Path& path, const Want& want) const;
  // Leads to the first entry above `address`; false when there is none.
  bool descend_above(std::uint64_t address, Path& path) const;
  bool step_to_next_leaf(Path& path) const;
  void descend_last(Path& path) const;

  void insert_before(Path& path, Extent extent, std::uint32_t label);
  void append(Extent extent, std::uint32_t label);
  bool insert(Path& path, const Slot& slot);
  void insert_splitting(Path& path, Slot slot);
  void grow_root(Node& left, Node& right);

  void refresh(const Path& path, unsigned level);
  void raise(const Path& path, std::uint64_t hole, std::uint8_t order);
  void lower(const Path& path, std::uint64_t hole, std::uint8_t order);
  void rekey(const Path& path);

  void give_hole_to_successor(const Path& path);
  void remove(Path& path);
  void shrink(const Path& path);
  bool merge_with_sibling(Node& parent, unsigned slot);

  Extent managed_;
  std::optional<Extent> tail_;  // the hole after the last entry
  std::uint64_t size_ = 0;
  unsigned height_ = 1;  // levels, the leaves' included
  std::unique_ptr<Arena> arena_;
  Node* root_;
};

struct AllocationTree::Node {
  union Link {
    std::uint64_t last;  // in a leaf: the entry's last address
    Node* child;
  };
  // Leaf: the entry's first address. Inner: the lowest such below.
  std::array<std::uint64_t, kSlots> key;
  // Leaf: how many addresses right before the entry are free. Inner: the largest such below.
  std::array<std::uint64_t, kSlots> hole;
  std::array<Link, kSlots> link;
  std::array<std::uint32_t, kSlots> label;  // leaf only
  // 1 + log2 of the largest naturally aligned power of two inside the hole; 0 where there is no hole. Inner: the
  // largest such below.
  std::array<std::uint8_t, kSlots> order;
  std::uint32_t count;
};

template <typename Visit>
void AllocationTree::for_each(Visit&& visit) const {
  for_each(*root_, height_, visit);
  if (tail_) visit(static_cast<const Entry*>(nullptr), *tail_);
}

template <typename Visit>
void AllocationTree::for_each(const Node& node, unsigned height, Visit& visit) {
  for (unsigned i = 0; i < node.count; ++i) {
    if (height > 1) {
      for_each(*node.link[i].child, height - 1, visit);
      continue;
    }
    if (node.hole[i] != 0)
      visit(static_cast<const Entry*>(nullptr), Extent{node.key[i] - node.hole[i], node.key[i] - 1});
    const Entry entry{{node.key[i], node.link[i].last}, node.label[i]};
    visit(&entry, entry.extent);
  }
}

}  // namespace keel::detail
