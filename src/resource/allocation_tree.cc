// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/detail/allocation_tree.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "keel/base/check.h"

namespace keel::detail {

namespace {

// A node with fewer looks for a sibling to merge with; together they leave room, so that the next insertion does not
// split them again.
constexpr unsigned kFew = AllocationTree::kSlots / 4;
constexpr unsigned kMergedAtMost = AllocationTree::kSlots * 3 / 4;
// Enough for 2^64 entries at the least fill the merging leaves.
constexpr unsigned kMaxHeight = 32;

// 1 + log2 of the largest power of two that fits, aligned to itself, into the `size` addresses from `first` on.
std::uint8_t order_of(std::uint64_t first, std::uint64_t size) {
  if (size == 0) return 0;
  const auto order = static_cast<unsigned>(std::bit_width(size) - 1);
  const std::uint64_t block = std::uint64_t{1} << order;
  const std::uint64_t skipped = (0 - first) & (block - 1);
  return static_cast<std::uint8_t>(size - block >= skipped ? order + 1 : order);
}

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
  // What the parent of `node` keeps of it. Precondition: node.count > 0.
  static Slot summary(Node& node) {
    std::uint64_t hole = 0;
    std::uint8_t order = 0;
    for (unsigned i = 0; i < node.count; ++i) {
      hole = std::max(hole, node.hole[i]);
      order = std::max(order, node.order[i]);
    }
    return {node.key[0], hole, {.child = &node}, 0, order};
  }
  void put(Node& node, unsigned i) const {
    node.key[i] = key;
    node.hole[i] = hole;
    node.link[i] = link;
    node.label[i] = label;
    node.order[i] = order;
  }
};

namespace {

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
  to.count += from.count - begin;
  from.count = begin;
}

template <typename Node>
void set_hole(Node& node, unsigned i, std::uint64_t size) {
  node.hole[i] = size;
  node.order[i] = order_of(node.key[i] - size, size);
}

// How many keys are at most `address`.
template <typename Node>
unsigned count_up_to(const Node& node, std::uint64_t address) {
  unsigned count = 0;
  for (unsigned i = 0; i < node.count; ++i) count += node.key[i] <= address ? 1u : 0u;
  return count;
}

}  // namespace

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

// Puts `extent` into the hole before the slot that `path` leads to.
void AllocationTree::insert_before(Path& path, Extent extent, std::uint32_t label) {
  Node& leaf = *path.node[height_ - 1];
  const unsigned i = path.slot[height_ - 1];
  const std::uint64_t hole_first = leaf.key[i] - leaf.hole[i];
  set_hole(leaf, i, leaf.key[i] - extent.last - 1);
  const std::uint64_t before = extent.first - hole_first;
  insert(path, {extent.first, before, {.last = extent.last}, label, order_of(hole_first, before)});
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
  tail_.reset();
  if (extent.last < managed_.last) tail_ = {extent.last + 1, managed_.last};
  insert(path, {extent.first, before, {.last = extent.last}, label, order_of(hole_first, before)});
}

// Puts `slot` where `path` leads to, splitting full nodes on the way up. A node that fills at one end is split there,
// so that ascending and descending allocation leave full nodes behind.
void AllocationTree::insert(Path& path, Slot slot) {
  ++size_;
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
    if (level == 0) {
      check(height_ < kMaxHeight, "the allocation tree is too high");
      Node& root = *arena_->get();
      Slot::summary(node).put(root, 0);
      Slot::summary(right).put(root, 1);
      root.count = 2;
      root_ = &root;
      ++height_;
      return;
    }
    Slot::summary(node).put(*path.node[level - 1], path.slot[level - 1]);
    slot = Slot::summary(right);
    ++path.slot[level - 1];
  }
}

// Brings what the ancestors of path.node[level] keep of it up to date.
void AllocationTree::refresh(const Path& path, unsigned level) {
  for (; level > 0; --level) {
    const Slot now = Slot::summary(*path.node[level]);
    Node& parent = *path.node[level - 1];
    const unsigned i = path.slot[level - 1];
    if (parent.key[i] == now.key && parent.hole[i] == now.hole && parent.order[i] == now.order) return;
    now.put(parent, i);
  }
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

// The addresses of the entry that `path` leads to, and of the hole before it, become part of the hole after it.
void AllocationTree::give_hole_to_successor(const Path& path) {
  Node& leaf = *path.node[height_ - 1];
  const unsigned i = path.slot[height_ - 1];
  const std::uint64_t first = leaf.key[i] - leaf.hole[i];
  if (i + 1 < leaf.count) {
    set_hole(leaf, i + 1, leaf.key[i + 1] - first);
    return;
  }
  Path next = path;
  if (!step_to_next_leaf(next)) {
    tail_ = {first, managed_.last};
    return;
  }
  Node& neighbour = *next.node[height_ - 1];
  set_hole(neighbour, 0, neighbour.key[0] - first);
  refresh(next, height_ - 1);
}

// Takes the slot that `path` leads to out of its leaf, and with it nodes that have become empty or small.
void AllocationTree::remove(Path& path) {
  --size_;
  unsigned level = height_ - 1;
  close_slot(*path.node[level], path.slot[level]);
  for (; level > 0 && path.node[level]->count < kFew; --level) {
    if (!merge_with_sibling(*path.node[level - 1], path.slot[level - 1])) break;
  }
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
