// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <algorithm>
#include <utility>

#include "src/resource/allocation_node.h"
#include "keel/base/check.h"
#include "keel/resource/detail/allocation_tree.h"

namespace keel::detail {

// Puts `extent` into the hole before the slot that `path` leads to.
void AllocationTree::insert_before(Path& path, Extent extent, std::uint32_t label) {
  Node& leaf = *path.node[height_ - 1];
  const unsigned i = path.slot[height_ - 1];
  const std::uint64_t hole = leaf.hole[i];
  const std::uint8_t order = leaf.order[i];
  const std::uint64_t hole_first = leaf.key[i] - hole;
  const std::uint64_t before = extent.first - hole_first;
  set_hole(leaf, i, leaf.key[i] - extent.last - 1);
  if (!insert(path, {extent.first, before, {.last = extent.last}, label, order_of(hole_first, before)})) return;
  lower(path, hole, order);
  if (i == 0) rekey(path);
}

// Puts `extent` into the tail.
void AllocationTree::append(Extent extent, std::uint32_t label) {
  Path path;
  Node* node = root_;
  for (unsigned level = 0; level < height_; ++level) {
    path.node[level] = node;
    path.slot[level] = node->count;
    if (level + 1 == height_) break;
    --path.slot[level];
    node = node->link[path.slot[level]].child;
  }
  const std::uint64_t hole_first = tail_->first;
  const std::uint64_t before = extent.first - hole_first;
  const std::uint8_t order = order_of(hole_first, before);
  tail_.reset();
  if (extent.last < managed_.last) tail_ = {extent.last + 1, managed_.last};
  if (insert(path, {extent.first, before, {.last = extent.last}, label, order})) raise(path, before, order);
}

// Puts `slot` where `path` leads to. False where nodes had to be split: then what inner nodes keep is up to date.
bool AllocationTree::insert(Path& path, const Slot& slot) {
  ++size_;
  Node& leaf = *path.node[height_ - 1];
  if (leaf.count == kSlots) {
    insert_splitting(path, slot);
    return false;
  }
  open_slot(leaf, path.slot[height_ - 1]);
  slot.put(leaf, path.slot[height_ - 1]);
  return true;
}

// A node that fills at one end is split there, so that ascending and descending allocation leave full nodes behind.
void AllocationTree::insert_splitting(Path& path, Slot slot) {
  for (unsigned level = height_ - 1;; --level) {
    Node& node = *path.node[level];
    const unsigned at = path.slot[level];
    if (node.count < kSlots) {
      open_slot(node, at);
      slot.put(node, at);
      return refresh(path, level);
    }
    const unsigned where = at <= 1 || at + 2 >= kSlots ? at : kSlots / 2;
    Node& right = *arena_->get();
    move_tail(node, where, right);
    Node& target = at <= where && where < kSlots ? node : right;
    const unsigned target_at = &target == &node ? at : at - where;
    open_slot(target, target_at);
    slot.put(target, target_at);
    if (level == 0) return grow_root(node, right);
    Slot::summary(node).put(*path.node[level - 1], path.slot[level - 1]);
    slot = Slot::summary(right);
    ++path.slot[level - 1];
  }
}

void AllocationTree::grow_root(Node& left, Node& right) {
  check(height_ < kMaxHeight, "the allocation tree is too high");
  root_ = arena_->get();
  Slot::summary(left).put(*root_, 0);
  Slot::summary(right).put(*root_, 1);
  root_->count = 2;
  ++height_;
}

// What inner nodes keep. In each, level by level up to where nothing changes:

// the ancestors of path.node[level] look at it anew;
void AllocationTree::refresh(const Path& path, unsigned level) {
  for (; level > 0; --level) {
    const Slot now = Slot::summary(*path.node[level]);
    Node& parent = *path.node[level - 1];
    const unsigned i = path.slot[level - 1];
    if (parent.key[i] == now.key && parent.hole[i] == now.hole && parent.order[i] == now.order) return;
    now.put(parent, i);
  }
}

// the leaf of `path` has got a hole that is at least as large as any that it lost;
void AllocationTree::raise(const Path& path, std::uint64_t hole, std::uint8_t order) {
  for (unsigned level = height_ - 1; level > 0; --level) {
    Node& parent = *path.node[level - 1];
    const unsigned i = path.slot[level - 1];
    if (parent.hole[i] >= hole && parent.order[i] >= order) return;
    parent.hole[i] = std::max(parent.hole[i], hole);
    parent.order[i] = std::max(parent.order[i], order);
  }
}

// the leaf of `path` has lost a hole, or part of it: only if it was the largest has anything changed;
void AllocationTree::lower(const Path& path, std::uint64_t hole, std::uint8_t order) {
  for (unsigned level = height_ - 1; level > 0; --level) {
    Node& parent = *path.node[level - 1];
    const unsigned i = path.slot[level - 1];
    if (parent.hole[i] > hole && parent.order[i] > order) return;
    const Slot now = Slot::summary(*path.node[level]);
    if (parent.hole[i] == now.hole && parent.order[i] == now.order) return;
    hole = std::exchange(parent.hole[i], now.hole);
    order = std::exchange(parent.order[i], now.order);
  }
}

// the leaf of `path` has another first entry.
void AllocationTree::rekey(const Path& path) {
  unsigned level = height_ - 1;
  do {
    if (level == 0) return;
    --level;
    path.node[level]->key[path.slot[level]] = path.node[level + 1]->key[0];
  } while (path.slot[level] == 0);
}

// The addresses of the entry that `path` leads to, and of the hole before it, become part of the hole after it.
void AllocationTree::give_hole_to_successor(const Path& path) {
  Path next = path;
  const Node& leaf = *path.node[height_ - 1];
  const unsigned i = path.slot[height_ - 1];
  const std::uint64_t first = leaf.key[i] - leaf.hole[i];
  if (++next.slot[height_ - 1] == leaf.count && !step_to_next_leaf(next)) {
    tail_ = {first, managed_.last};
    return;
  }
  Node& after = *next.node[height_ - 1];
  const unsigned j = next.slot[height_ - 1];
  set_hole(after, j, after.key[j] - first);
  raise(next, after.hole[j], after.order[j]);
}

// Takes the slot that `path` leads to out of its leaf. Its hole already belongs to the slot after it.
void AllocationTree::remove(Path& path) {
  --size_;
  Node& leaf = *path.node[height_ - 1];
  const unsigned i = path.slot[height_ - 1];
  const std::uint64_t hole = leaf.hole[i];
  const std::uint8_t order = leaf.order[i];
  close_slot(leaf, i);
  if (leaf.count < kFew && height_ > 1) return shrink(path);
  if (i == leaf.count) lower(path, hole, order);
  if (i == 0) rekey(path);
}

// Merges or drops nodes of `path` that have become small or empty, from the leaf upwards.
void AllocationTree::shrink(const Path& path) {
  unsigned level = height_ - 1;
  while (level > 0 && path.node[level]->count < kFew && merge_with_sibling(*path.node[level - 1], path.slot[level - 1]))
    --level;
  refresh(path, level);
  while (height_ > 1 && root_->count == 1) {
    Node* only = root_->link[0].child;
    arena_->put(root_);
    root_ = only;
    --height_;
  }
  if (root_->count == 0) height_ = 1;
}

// Joins the child at `slot` with one of its neighbours, or drops it when it is empty; false when it stays.
bool AllocationTree::merge_with_sibling(Node& parent, unsigned slot) {
  Node& child = *parent.link[slot].child;
  if (child.count == 0) {
    arena_->put(&child);
    close_slot(parent, slot);
    return true;
  }
  for (const unsigned left : {slot, slot - 1}) {
    if (left + 1 >= parent.count || left > slot) continue;
    Node& a = *parent.link[left].child;
    Node& b = *parent.link[left + 1].child;
    if (a.count + b.count > kMergedAtMost) continue;
    move_tail(b, 0, a);
    Slot::summary(a).put(parent, left);
    close_slot(parent, left + 1);
    arena_->put(&b);
    return true;
  }
  return false;
}

}  // namespace keel::detail
