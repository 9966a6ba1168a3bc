// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "keel/resource/detail/allocation_tree.h"

namespace keel::detail {

// What the two halves of AllocationTree share: looking (allocation_tree.cc) and changing (allocation_tree_change.cc).

// A node with fewer looks for a sibling to merge with; together they leave room, so that the next insertion does not
// split them again.
inline constexpr unsigned kFew = AllocationTree::kSlots / 4;
inline constexpr unsigned kMergedAtMost = AllocationTree::kSlots * 3 / 4;
// Enough for 2^64 entries at the least fill the merging leaves.
inline constexpr unsigned kMaxHeight = 32;

// 1 + log2 of the largest power of two that fits, aligned to itself, into the `size` addresses from `first` on.
inline std::uint8_t order_of(std::uint64_t first, std::uint64_t size) {
  if (size == 0) return 0;
  const auto order = static_cast<unsigned>(std::bit_width(size) - 1);
  const std::uint64_t block = std::uint64_t{1} << order;
  const std::uint64_t skipped = (0 - first) & (block - 1);
  return static_cast<std::uint8_t>(size - block >= skipped ? order + 1 : order);
}

// What a node's slot holds, for moving it about.
struct AllocationTree::Slot {
  std::uint64_t key;
  std::uint64_t hole;
  Node::Link link;
  std::uint32_t label;
  std::uint8_t order;

  static Slot get(const Node& node, unsigned i) {
    return {node.key[i], node.hole[i], node.link[i], node.label[i], node.order[i]};
  }
  // What the parent of `node` keeps of it. Precondition: node.count > 0; slots not in use have no hole.
  static Slot summary(Node& node) {
    // Four chains at once, and unused slots count as no hole: half the time of the plain loop.
    std::array<std::uint64_t, 4> hole{};
    for (unsigned i = 0; i < kSlots; i += 4)
      for (unsigned j = 0; j < 4; ++j) hole[j] = std::max(hole[j], node.hole[i + j]);
    std::uint8_t order = 0;
    for (unsigned i = 0; i < kSlots; ++i) order = std::max(order, node.order[i]);
    return {node.key[0], std::max(std::max(hole[0], hole[1]), std::max(hole[2], hole[3])), {.child = &node}, 0, order};
  }
  void put(Node& node, unsigned i) const {
    node.key[i] = key;
    node.hole[i] = hole;
    node.link[i] = link;
    node.label[i] = label;
    node.order[i] = order;
  }
};

// Calls f on each of the node's arrays.
template <typename Node, typename F>
void for_each_array(Node& node, F&& f) {
  f(node.key);
  f(node.hole);
  f(node.link);
  f(node.label);
  f(node.order);
}

// Opens a gap at `at`. Precondition: the node is not full.
template <typename Node>
void open_slot(Node& node, unsigned at) {
  for_each_array(node, [&](auto& array) {
    std::copy_backward(array.begin() + at, array.begin() + node.count, array.begin() + node.count + 1);
  });
  ++node.count;
}

template <typename Node>
void close_slot(Node& node, unsigned at) {
  for_each_array(
      node, [&](auto& array) { std::copy(array.begin() + at + 1, array.begin() + node.count, array.begin() + at); });
  --node.count;
  node.hole[node.count] = 0;
  node.order[node.count] = 0;
}

// Moves the slots of `from` from `begin` on to the end of `to`.
template <typename Node>
void move_tail(Node& from, unsigned begin, Node& to) {
  const auto copy = [&](auto& source, auto& target) {
    std::copy(source.begin() + begin, source.begin() + from.count, target.begin() + to.count);
  };
  copy(from.key, to.key);
  copy(from.hole, to.hole);
  copy(from.link, to.link);
  copy(from.label, to.label);
  copy(from.order, to.order);
  std::fill(from.hole.begin() + begin, from.hole.end(), 0);
  std::fill(from.order.begin() + begin, from.order.end(), 0);
  to.count += from.count - begin;
  from.count = begin;
}

template <typename Node>
void set_hole(Node& node, unsigned i, std::uint64_t size) {
  node.hole[i] = size;
  node.order[i] = order_of(node.key[i] - size, size);
}

// How many keys are at most `address`. Without branches: which block of eight, then which slot of it.
template <typename Node>
unsigned count_up_to(const Node& node, std::uint64_t address) {
  constexpr unsigned kBlock = 8;
  unsigned begin = 0;
  for (unsigned i = kBlock; i < AllocationTree::kSlots; i += kBlock)
    begin += i < node.count && node.key[i] <= address ? kBlock : 0;
  unsigned count = begin;
  for (unsigned i = begin; i < begin + kBlock; ++i) count += i < node.count && node.key[i] <= address ? 1u : 0u;
  return count;
}

// Nodes in chunks that double up to 64; freed nodes are reused first. Memory goes back when the arena does.
class AllocationTree::Arena {
 public:
  Node* get() {
    if (free_.empty()) {
      const std::size_t count = std::size_t{1} << std::min<std::size_t>(chunks_.size(), 6);
      chunks_.push_back(std::make_unique<Node[]>(count));
      nodes_ += count;
      free_.reserve(nodes_);
      for (std::size_t i = count; i > 0; --i) free_.push_back(&chunks_.back()[i - 1]);
    }
    Node* node = free_.back();
    free_.pop_back();
    node->count = 0;
    node->hole.fill(0);
    node->order.fill(0);
    return node;
  }
  void put(Node* node) noexcept { free_.push_back(node); }
  [[nodiscard]] std::uint64_t memory() const noexcept {
    return nodes_ * sizeof(Node) + free_.capacity() * sizeof(Node*) + chunks_.capacity() * sizeof(chunks_[0]);
  }

 private:
  std::vector<std::unique_ptr<Node[]>> chunks_;
  std::vector<Node*> free_;
  std::size_t nodes_ = 0;
};

// The way from the root to a slot of a leaf.
struct AllocationTree::Path {
  std::array<Node*, kMaxHeight> node;
  std::array<unsigned, kMaxHeight> slot;
};

}  // namespace keel::detail
