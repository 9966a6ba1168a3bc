// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/detail/allocation_tree.h"

#include <algorithm>
#include <bit>

#include "src/resource/allocation_node.h"

namespace keel::detail {

namespace {

// The order below which no hole can fit: a range of n addresses aligned to 2^k holds a naturally aligned block of
// 2^min(k, log2 n).
std::uint8_t order_needed(const Want& want) {
  const unsigned size_order =
      want.last_offset == ~std::uint64_t{0} ? 64 : static_cast<unsigned>(std::bit_width(want.last_offset + 1) - 1);
  return static_cast<std::uint8_t>(std::min(want.align_order, size_order) + 1);
}

}  // namespace

std::optional<std::uint64_t> fit(End end, Extent hole, const Want& want) {
  const std::uint64_t first = std::max(hole.first, want.within.first);
  const std::uint64_t last = std::min(hole.last, want.within.last);
  if (first > last || last - first < want.last_offset) return std::nullopt;
  const std::uint64_t mask = (std::uint64_t{1} << want.align_order) - 1;
  if (end == End::kHighest) {
    const std::uint64_t at = (last - want.last_offset) & ~mask;
    return at >= first ? std::optional(at) : std::nullopt;
  }
  const std::uint64_t skipped = (0 - first) & mask;
  return last - first - want.last_offset >= skipped ? std::optional(first + skipped) : std::nullopt;
}

AllocationTree::AllocationTree(Extent managed) noexcept
    : managed_(managed), tail_(managed), arena_(std::make_unique<Arena>()), root_(arena_->get()) {}
AllocationTree::AllocationTree(AllocationTree&& other) noexcept = default;
AllocationTree& AllocationTree::operator=(AllocationTree&& other) noexcept = default;
AllocationTree::~AllocationTree() = default;

std::uint64_t AllocationTree::memory() const noexcept {
  return sizeof(Arena) + arena_->memory();
}

// Looking.

template <End kEnd>
std::optional<std::uint64_t> AllocationTree::seek_below(Node& node, unsigned level, Path& path,
                                                        const Want& want) const {
  const std::uint8_t order = order_needed(want);
  const bool leaf = level + 1 == height_;
  // Slots whose holes all lie outside the bounds: those before `begin` end too low, those from `end` on start too high.
  unsigned begin = 0;
  unsigned end = node.count;
  if (want.within.first > managed_.first) begin = count_up_to(node, want.within.first);
  if (!leaf && begin > 0) --begin;
  if (want.within.last < managed_.last && want.within.last > 0)
    end = std::min(node.count, count_up_to(node, want.within.last - 1) + 1);
  for (unsigned n = begin; n < end; ++n) {
    const unsigned i = kEnd == End::kLowest ? n : begin + end - 1 - n;
    if (node.hole[i] <= want.last_offset || node.order[i] < order) continue;
    path.node[level] = &node;
    path.slot[level] = i;
    const std::optional<std::uint64_t> at = leaf ? fit(kEnd, {node.key[i] - node.hole[i], node.key[i] - 1}, want)
                                                 : seek_below<kEnd>(*node.link[i].child, level + 1, path, want);
    if (at) return at;
  }
  return std::nullopt;
}

template <End kEnd>
std::optional<std::uint64_t> AllocationTree::seek(Path& path, const Want& want) const {
  return seek_below<kEnd>(*root_, 0, path, want);
}

std::optional<std::uint64_t> AllocationTree::seek(End end, Path& path, const Want& want) const {
  return end == End::kLowest ? seek<End::kLowest>(path, want) : seek<End::kHighest>(path, want);
}

std::optional<std::uint64_t> AllocationTree::find(End end, const Want& want) const {
  Path path;
  const std::optional<std::uint64_t> in_tail = tail_ ? fit(end, *tail_, want) : std::nullopt;
  if (end == End::kHighest && in_tail) return in_tail;
  const std::optional<std::uint64_t> at = seek(end, path, want);
  return at ? at : in_tail;
}

bool AllocationTree::descend_above(std::uint64_t address, Path& path) const {
  Node* node = root_;
  for (unsigned level = 0;; ++level) {
    const unsigned below = count_up_to(*node, address);
    path.node[level] = node;
    if (level + 1 == height_) {
      path.slot[level] = below;
      return below < node->count || step_to_next_leaf(path);
    }
    path.slot[level] = below == 0 ? 0 : below - 1;
    node = node->link[path.slot[level]].child;
  }
}

bool AllocationTree::step_to_next_leaf(Path& path) const {
  unsigned level = height_ - 1;
  do {
    if (level == 0) return false;
    --level;
  } while (path.slot[level] + 1 == path.node[level]->count);
  ++path.slot[level];
  for (; level + 1 < height_; ++level) {
    path.node[level + 1] = path.node[level]->link[path.slot[level]].child;
    path.slot[level + 1] = 0;
  }
  return true;
}

std::optional<AllocationTree::Entry> AllocationTree::first_overlap(Extent extent) const {
  const Node* node = root_;
  for (unsigned height = height_; height > 1; --height) {
    const unsigned below = count_up_to(*node, extent.first);
    node = node->link[below == 0 ? 0 : below - 1].child;
  }
  const unsigned below = count_up_to(*node, extent.first);
  if (below > 0 && node->link[below - 1].last >= extent.first)
    return Entry{{node->key[below - 1], node->link[below - 1].last}, node->label[below - 1]};
  Path path;
  if (!descend_above(extent.first, path)) return std::nullopt;
  node = path.node[height_ - 1];
  const unsigned i = path.slot[height_ - 1];
  if (node->key[i] > extent.last) return std::nullopt;
  return Entry{{node->key[i], node->link[i].last}, node->label[i]};
}

// Taking.

std::optional<std::uint64_t> AllocationTree::take(End end, const Want& want, std::uint32_t label) {
  Path path;
  const auto take_tail = [&]() -> std::optional<std::uint64_t> {
    const std::optional<std::uint64_t> at = tail_ ? fit(end, *tail_, want) : std::nullopt;
    if (at) append({*at, *at + want.last_offset}, label);
    return at;
  };
  if (end == End::kHighest) {
    if (const auto at = take_tail()) return at;
  }
  if (const std::optional<std::uint64_t> at = seek(end, path, want)) {
    insert_before(path, {*at, *at + want.last_offset}, label);
    return at;
  }
  return end == End::kLowest ? take_tail() : std::nullopt;
}

bool AllocationTree::take_exact(Extent extent, std::uint32_t label) {
  if (tail_ && tail_->first <= extent.first) {
    append(extent, label);
    return true;
  }
  Path path;
  if (!descend_above(extent.first, path)) return false;
  const Node& leaf = *path.node[height_ - 1];
  const unsigned i = path.slot[height_ - 1];
  if (extent.last >= leaf.key[i] || extent.first < leaf.key[i] - leaf.hole[i]) return false;
  insert_before(path, extent, label);
  return true;
}

// Giving back.

std::optional<std::uint32_t> AllocationTree::release(Extent extent) {
  Path path;
  Node* node = root_;
  for (unsigned level = 0;; ++level) {
    const unsigned below = count_up_to(*node, extent.first);
    if (below == 0) return std::nullopt;
    path.node[level] = node;
    path.slot[level] = below - 1;
    if (level + 1 == height_) break;
    node = node->link[below - 1].child;
  }
  const unsigned i = path.slot[height_ - 1];
  if (node->key[i] != extent.first || node->link[i].last != extent.last) return std::nullopt;
  const std::uint32_t label = node->label[i];
  give_hole_to_successor(path);
  remove(path);
  return label;
}

// Checking.

bool AllocationTree::consistent() const {
  std::optional<std::uint64_t> previous_last;
  if (size_ == 0) return height_ == 1 && root_->count == 0 && tail_ == managed_;
  if (!consistent_below(*root_, 0, previous_last)) return false;
  return *previous_last == managed_.last ? !tail_ : tail_ == Extent{*previous_last + 1, managed_.last};
}

// The bounds of `node` are recomputed here the plain way, not by Slot::summary, which is under test.
bool AllocationTree::consistent_below(Node& node, unsigned level, std::optional<std::uint64_t>& previous_last) const {
  if (node.count == 0 || node.count > kSlots) return false;
  for (unsigned i = 0; i < node.count; ++i) {
    if (level + 1 < height_) {
      Node& child = *node.link[i].child;
      if (!consistent_below(child, level + 1, previous_last)) return false;
      const auto largest = [&](const auto& array) {
        return *std::max_element(array.begin(), array.begin() + child.count);
      };
      if (node.key[i] != child.key[0] || node.hole[i] != largest(child.hole) || node.order[i] != largest(child.order))
        return false;
      continue;
    }
    const std::uint64_t hole_first = previous_last ? *previous_last + 1 : managed_.first;
    if (node.key[i] < hole_first || (previous_last && *previous_last >= node.key[i])) return false;
    if (node.hole[i] != node.key[i] - hole_first || node.order[i] != order_of(hole_first, node.hole[i])) return false;
    if (node.link[i].last < node.key[i] || node.link[i].last > managed_.last) return false;
    previous_last = node.link[i].last;
  }
  return true;
}

}  // namespace keel::detail
