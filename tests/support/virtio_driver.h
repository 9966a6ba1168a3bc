// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "support/guest_arena.h"
#include "keel/base/check.h"
#include "keel/virtio/virt_queue.h"
#include "keel/virtio/virtio_spec.h"

namespace keel {

// One buffer of a request as the driver put it into guest memory.
struct DriverBuffer {
  GuestAddress address;
  std::uint32_t length = 0;
};

// A request that the device was given.
struct SentRequest {
  std::uint16_t head = 0;
  std::vector<DriverBuffer> in;   // the buffers that the device writes, in order
  std::vector<DriverBuffer> out;  // and those that it reads
};

// An element of the used ring.
struct UsedElement {
  std::uint32_t id = 0;
  std::uint32_t length = 0;
  friend bool operator==(const UsedElement&, const UsedElement&) = default;
};

class DriverRequest;

// The driver's end of a split virtqueue, in guest memory: what a guest's driver does, and, field by field, what a
// hostile one could. Used by one thread.
//
//   DriverQueue queue(arena, 8);
//   const SentRequest sent = queue.request().out({1, 2, 3}).in(16).send();
//   ... the device works ...
//   EXPECT_EQ(queue.take_used(), (UsedElement{sent.head, 16}));
//   EXPECT_EQ(queue.written(sent), ...);
class DriverQueue {
 public:
  // `index` is the queue's number in its device. `arena` outlives this.
  DriverQueue(GuestArena& arena, std::uint16_t size, std::uint16_t index = 0)
      : arena_(arena),
        layout_{.index = index,
                .size = size,
                .descriptors = arena.take(16ull * size, virtio::kDescriptorAlignment),
                .available = arena.take(virtio::available_bytes(size), virtio::kAvailableAlignment),
                .used = arena.take(virtio::used_bytes(size), virtio::kUsedAlignment)} {
    for (std::uint16_t i = 0; i < size; ++i) free_.push_back(i);
    // As a driver must: the memory may have been a queue before.
    clear(layout_.descriptors, 16ull * size);
    clear(layout_.available, virtio::available_bytes(size));
    clear(layout_.used, virtio::used_bytes(size));
  }

  [[nodiscard]] const VirtQueueLayout& layout() const { return layout_; }
  [[nodiscard]] GuestArena& arena() const { return arena_; }
  // Descriptors that no request holds.
  [[nodiscard]] std::size_t free_descriptors() const { return free_.size(); }

  // A request to be put together; see DriverRequest.
  [[nodiscard]] DriverRequest request();

  // The next element of the used ring, whose descriptors are free then; nothing where the device has handed back none.
  std::optional<UsedElement> take_used() {
    if (load(layout_.used, virtio::kUsedIdx, std::memory_order_acquire) == next_used_) return std::nullopt;
    const GuestAddress at(layout_.used.value() + virtio::kUsedRing + 8ull * (next_used_++ % layout_.size));
    const auto element = *arena_.memory().read_object<UsedElement>(at);
    if (const auto held = held_.find(element.id); held != held_.end()) {
      free_.insert(free_.end(), held->second.begin(), held->second.end());
      held_.erase(held);
    }
    return element;
  }
  // All that the device may have written for a request: its whole buffers, one after the other.
  [[nodiscard]] std::vector<std::uint8_t> written(const SentRequest& request) const {
    std::vector<std::uint8_t> all;
    for (const DriverBuffer& buffer : request.in) {
      const auto bytes = arena_.bytes(buffer.address, buffer.length);
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
    return all;
  }

  // What the driver asks of the device: no interrupts (without event index), or one when the used index passes `at`.
  void set_no_interrupt(std::uint16_t flags) { store(layout_.available, virtio::kAvailableFlags, flags); }
  void set_used_event(std::uint16_t at) { store(layout_.available, virtio::used_event_offset(layout_.size), at); }
  // What the device asks of the driver.
  [[nodiscard]] bool no_notify() const { return (load(layout_.used, virtio::kUsedFlags) & virtio::kUsedNoNotify) != 0; }
  [[nodiscard]] std::uint16_t avail_event() const {
    return load(layout_.used, virtio::avail_event_offset(layout_.size));
  }
  [[nodiscard]] std::uint16_t used_idx() const { return load(layout_.used, virtio::kUsedIdx); }

  // Field by field.
  void set_descriptor(std::uint16_t index, const virtio::Descriptor& descriptor) {
    put_descriptor(GuestAddress(layout_.descriptors.value() + 16ull * index), descriptor);
  }
  void put_descriptor(GuestAddress at, const virtio::Descriptor& descriptor) {
    check(arena_.memory().write_object(at, descriptor).has_value(), "the test writes descriptors to RAM");
  }
  // Makes the chain at `head` available.
  void offer(std::uint16_t head) {
    store(layout_.available, virtio::kAvailableRing + 2ull * (available_idx_ % layout_.size), head);
    set_available_idx(static_cast<std::uint16_t>(available_idx_ + 1));
  }
  [[nodiscard]] std::uint16_t available_idx() const { return available_idx_; }
  void set_available_idx(std::uint16_t value) {
    available_idx_ = value;
    store(layout_.available, virtio::kAvailableIdx, value, std::memory_order_release);
  }

 private:
  friend class DriverRequest;

  std::uint16_t take_free() {
    check(!free_.empty(), "the test's queue has a free descriptor");
    const std::uint16_t index = free_.front();
    free_.erase(free_.begin());
    return index;
  }
  void clear(GuestAddress part, std::size_t size) const {
    check(arena_.memory().write(part, std::vector<std::uint8_t>(size)).has_value(), "the test's queue lies in RAM");
  }
  std::uint16_t* field(GuestAddress part, std::uint64_t offset) const {
    return reinterpret_cast<std::uint16_t*>(
        arena_.memory().slice(GuestAddress(part.value() + offset), 2).value().data());
  }
  std::uint16_t load(GuestAddress part, std::uint64_t offset,
                     std::memory_order order = std::memory_order_relaxed) const {
    return std::atomic_ref(*field(part, offset)).load(order);
  }
  void store(GuestAddress part, std::uint64_t offset, std::uint16_t value,
             std::memory_order order = std::memory_order_relaxed) {
    std::atomic_ref(*field(part, offset)).store(value, order);
  }

  GuestArena& arena_;
  const VirtQueueLayout layout_;
  std::uint16_t available_idx_ = 0;
  std::uint16_t next_used_ = 0;
  std::vector<std::uint16_t> free_;
  std::map<std::uint32_t, std::vector<std::uint16_t>> held_;  // by head
};

// A request in the making: out() is what the device reads, in() what it writes, in that order.
class DriverRequest {
 public:
  explicit DriverRequest(DriverQueue& queue) : queue_(queue) {}

  DriverRequest& out(std::span<const std::uint8_t> bytes) {
    return out_at(queue_.arena().put(bytes), static_cast<std::uint32_t>(bytes.size()));
  }
  DriverRequest& out(std::initializer_list<std::uint8_t> bytes) {
    return out(std::span<const std::uint8_t>(bytes.begin(), bytes.size()));
  }
  template <typename T>
  DriverRequest& out_object(const T& object) {
    return out({reinterpret_cast<const std::uint8_t*>(&object), sizeof(T)});
  }
  DriverRequest& in(std::uint32_t length) { return in_at(queue_.arena().take(length), length); }
  // At an address of the test's choice, in RAM or not.
  DriverRequest& out_at(GuestAddress at, std::uint32_t length) {
    buffers_.push_back({.address = at.value(), .length = length, .flags = 0, .next = 0});
    sent_.out.push_back({at, length});
    return *this;
  }
  DriverRequest& in_at(GuestAddress at, std::uint32_t length) {
    buffers_.push_back({.address = at.value(), .length = length, .flags = virtio::kDescriptorWrite, .next = 0});
    sent_.in.push_back({at, length});
    return *this;
  }
  // All buffers in an indirect table.
  DriverRequest& indirect() { return indirect_from(0); }
  // The same with the table at an address of the test's choice, in RAM.
  DriverRequest& indirect_at(GuestAddress table) {
    table_ = table;
    return indirect();
  }
  // The first `direct` buffers in the ring, the rest in an indirect table.
  DriverRequest& indirect_from(std::size_t direct) {
    direct_ = direct;
    return *this;
  }

  // Writes the descriptors and makes them available.
  SentRequest send() {
    const SentRequest sent = write();
    queue_.offer(sent.head);
    return sent;
  }
  // Writes the descriptors only.
  SentRequest write() {
    check(!buffers_.empty(), "a request has a buffer");
    std::vector<virtio::Descriptor> ring(
        buffers_.begin(), buffers_.begin() + static_cast<std::ptrdiff_t>(std::min(direct_, buffers_.size())));
    if (ring.size() < buffers_.size()) ring.push_back(table(std::span(buffers_).subspan(ring.size())));
    std::vector<std::uint16_t> held;
    for (std::size_t i = 0; i < ring.size(); ++i) held.push_back(queue_.take_free());
    for (std::size_t i = 0; i < ring.size(); ++i) {
      if (i + 1 < ring.size()) link(ring[i], held[i + 1]);
      queue_.set_descriptor(held[i], ring[i]);
    }
    sent_.head = held.front();
    queue_.held_[sent_.head] = std::move(held);
    return sent_;
  }

 private:
  static void link(virtio::Descriptor& descriptor, std::size_t next) {
    descriptor.flags = static_cast<std::uint16_t>(descriptor.flags | virtio::kDescriptorNext);
    descriptor.next = static_cast<std::uint16_t>(next);
  }
  virtio::Descriptor table(std::span<const virtio::Descriptor> buffers) {
    const GuestAddress at = table_ ? *table_ : queue_.arena().take(16 * buffers.size());
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      virtio::Descriptor descriptor = buffers[i];
      if (i + 1 < buffers.size()) link(descriptor, i + 1);
      queue_.put_descriptor(GuestAddress(at.value() + 16 * i), descriptor);
    }
    return {.address = at.value(),
            .length = static_cast<std::uint32_t>(16 * buffers.size()),
            .flags = virtio::kDescriptorIndirect,
            .next = 0};
  }

  DriverQueue& queue_;
  std::vector<virtio::Descriptor> buffers_;
  std::size_t direct_ = SIZE_MAX;
  std::optional<GuestAddress> table_;
  SentRequest sent_;
};

inline DriverRequest DriverQueue::request() {
  return DriverRequest(*this);
}

}  // namespace keel
