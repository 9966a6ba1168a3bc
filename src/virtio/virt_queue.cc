// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/virtio/virt_queue.h"

#include <bit>
#include <utility>

#include "src/virtio/ring_access.h"
#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel {
namespace {

using virtio::Descriptor;

// A request's total may not pass it (2.7.5.2).
constexpr std::uint64_t kLargestRequest = 1ull << 32;
constexpr std::size_t kSpareChains = 64;

Result<std::uint8_t*> map_part(const GuestMemory& memory, GuestAddress address, std::uint64_t size,
                               std::uint64_t alignment, std::string_view what) {
  if (!address.is_aligned(alignment)) {
    return fail(ErrorCode::kInvalidArgument, "the {} at {} is not aligned to {} bytes", what, address, alignment);
  }
  const auto bytes = memory.slice(address, size);
  if (!bytes) return std::unexpected(bytes.error().within(what));
  return bytes->data();
}

// 2.7.10.1: whether event index `event` lies among the last `count` of the steps that led to `now`.
bool passed(std::uint16_t event, std::uint16_t now, std::uint32_t count) {
  return static_cast<std::uint16_t>(now - event - 1) < count;
}

}  // namespace

// A descriptor table: the queue's own or an indirect one.
struct VirtQueue::Table {
  const std::uint8_t* host;  // null where the table lies across regions
  GuestAddress address;
  std::uint32_t entries;
  std::size_t longest_chain;
  bool indirect;

  [[nodiscard]] std::optional<Descriptor> at(const GuestMemory& memory, std::uint32_t index) const {
    const std::size_t offset = std::size_t{index} * sizeof(Descriptor);
    if (host != nullptr) return virtio::copy_descriptor(host + offset);
    const auto copy = memory.read_object<Descriptor>(GuestAddress(address.value() + offset));
    return copy ? std::optional(*copy) : std::nullopt;
  }
};

Result<std::unique_ptr<VirtQueue>> VirtQueue::create(const GuestMemory& memory, const VirtQueueLayout& layout,
                                                     std::uint64_t features, DriverSignals& signals) {
  if (!std::has_single_bit(layout.size) || layout.size > virtio::kMaxQueueSize) {
    return fail(ErrorCode::kInvalidArgument, "a queue of {} entries: a split queue has a power of two, up to {}",
                layout.size, virtio::kMaxQueueSize);
  }
  std::unique_ptr<VirtQueue> queue(new VirtQueue(memory, layout, features, signals));
  KEEL_TRY(queue->descriptors_, map_part(memory, layout.descriptors, sizeof(Descriptor) * layout.size,
                                         virtio::kDescriptorAlignment, "descriptor table"));
  KEEL_TRY(queue->available_, map_part(memory, layout.available, virtio::available_bytes(layout.size),
                                       virtio::kAvailableAlignment, "available ring"));
  KEEL_TRY(queue->used_,
           map_part(memory, layout.used, virtio::used_bytes(layout.size), virtio::kUsedAlignment, "used ring"));
  return queue;
}

VirtQueue::VirtQueue(const GuestMemory& memory, const VirtQueueLayout& layout, std::uint64_t features,
                     DriverSignals& signals)
    : memory_(memory), signals_(signals), layout_(layout), features_(features) {}

std::optional<DescriptorChain> VirtQueue::pop() {
  if (broken_) return std::nullopt;
  // Acquire: what the driver wrote before it moved the index is seen from here on.
  const std::uint16_t available = virtio::load16(available_ + virtio::kAvailableIdx, std::memory_order_acquire);
  const auto waiting = static_cast<std::uint16_t>(available - next_available_);
  if (waiting == 0) return std::nullopt;
  if (waiting > size()) {
    mark_broken(fmt::format("the available index is {} ahead of a queue of {}", waiting, size()));
    return std::nullopt;
  }
  if (in_flight_ >= size()) {
    mark_broken("more requests are under way than the queue has descriptors");
    return std::nullopt;
  }
  DescriptorChain chain = take_empty_chain();
  chain.head_ =
      virtio::load16(available_ + virtio::kAvailableRing + 2ull * slot(next_available_), std::memory_order_relaxed);
  if (const auto wrong = collect(chain)) {
    mark_broken(fmt::format("the request at descriptor {}: {}", chain.head_, *wrong));
    return std::nullopt;
  }
  ++next_available_;
  ++in_flight_;
  return chain;
}

DescriptorChain VirtQueue::take_empty_chain() {
  if (spare_.empty()) return {};
  DescriptorChain chain = std::move(spare_.back());
  spare_.pop_back();
  return chain;
}

void VirtQueue::keep_room_of(DescriptorChain chain) {
  if (spare_.size() == kSpareChains) return;
  chain.readable_.clear();
  chain.writable_.clear();
  spare_.push_back(std::move(chain));
}

// Follows the chain from its head. Says what is wrong with it, where something is.
std::optional<std::string_view> VirtQueue::collect(DescriptorChain& chain) const {
  Table table{.host = descriptors_,
              .address = layout_.descriptors,
              .entries = size(),
              .longest_chain = size(),
              .indirect = false};
  std::uint32_t index = chain.head_;
  for (std::size_t length = 0;; ++length) {
    if (length >= table.longest_chain) return "its chain is a loop, or longer than allowed";
    if (index >= table.entries) return "its chain leaves the descriptor table";
    const auto descriptor = table.at(memory_, index);
    if (!descriptor) return "its indirect table is not in RAM";
    if ((descriptor->flags & virtio::kDescriptorIndirect) != 0) {
      if (const auto wrong = enter_indirect(*descriptor, table)) return wrong;
      index = 0;
      continue;
    }
    if (const auto wrong = add_buffer(*descriptor, chain)) return wrong;
    if ((descriptor->flags & virtio::kDescriptorNext) == 0) return std::nullopt;
    index = descriptor->next;
  }
}

// 2.7.5.3. The flag that makes an ordinary descriptor writable says nothing here, and is ignored.
std::optional<std::string_view> VirtQueue::enter_indirect(const Descriptor& descriptor, Table& table) const {
  if ((features_ & virtio::kFeatureIndirectDesc) == 0) return "an indirect table was not negotiated";
  if (table.indirect) return "an indirect table inside an indirect table";
  if ((descriptor.flags & virtio::kDescriptorNext) != 0) return "a descriptor follows that of an indirect table";
  if (descriptor.length == 0 || descriptor.length % sizeof(Descriptor) != 0) {
    return "its indirect table is not made of whole descriptors";
  }
  const GuestAddress address(descriptor.address);
  const auto host = memory_.try_slice(address, descriptor.length);
  if (!host && !address.checked_add(descriptor.length - 1)) return "its indirect table is not in RAM";
  table = {.host = host ? host->data() : nullptr,
           .address = address,
           .entries = descriptor.length / static_cast<std::uint32_t>(sizeof(Descriptor)),
           .longest_chain = kLongestIndirect + 1,  // with the table's own descriptor
           .indirect = true};
  return std::nullopt;
}

std::optional<std::string_view> VirtQueue::add_buffer(const Descriptor& descriptor, DescriptorChain& chain) const {
  const bool writable = (descriptor.flags & virtio::kDescriptorWrite) != 0;
  if (!writable && !chain.writable_.empty()) return "a readable buffer follows a writable one";
  if (chain.readable_.size() + chain.writable_.size() + descriptor.length > kLargestRequest) {
    return "its buffers are larger than 4 GiB";
  }
  GuestBuffers& buffers = writable ? static_cast<GuestBuffers&>(chain.writable_) : chain.readable_;
  std::optional<GuestAddress> at(descriptor.address);
  for (std::uint64_t left = descriptor.length; left != 0;) {
    if (!at) return "a buffer passes the top of the address space";
    const auto piece = memory_.slice_front(*at, left);
    if (piece.empty()) return "a buffer is not in RAM";
    buffers.append(piece);
    left -= piece.size();
    at = at->checked_add(piece.size());
  }
  return std::nullopt;
}

void VirtQueue::add_used(DescriptorChain chain, std::uint32_t written) {
  check(in_flight_ != 0, "a request is completed once, in the queue that it came from");
  --in_flight_;
  std::uint8_t* const element = used_ + virtio::kUsedRing + 8ull * slot(next_used_);
  virtio::store32(element, chain.head_, std::memory_order_relaxed);
  virtio::store32(element + 4, written, std::memory_order_relaxed);
  ++next_used_;
  ++unsignalled_;
  keep_room_of(std::move(chain));
}

void VirtQueue::publish_used() noexcept {
  // Release: the driver that sees the index sees the elements, and what the device wrote to the buffers.
  virtio::store16(used_ + virtio::kUsedIdx, next_used_, std::memory_order_release);
}

void VirtQueue::put_back(DescriptorChain chain) {
  check(in_flight_ != 0, "a request is put back once, into the queue that it came from");
  --in_flight_;
  --next_available_;
  keep_room_of(std::move(chain));
}

void VirtQueue::signal() {
  if (unsignalled_ == 0) return;
  // The used index is out before the driver's wish is read: it is the other way round over there (2.7.7.1).
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const std::uint32_t completed = std::exchange(unsignalled_, 0);
  if (has_event_idx()) {
    const auto event = virtio::load16(available_ + virtio::used_event_offset(size()), std::memory_order_relaxed);
    if (!passed(event, next_used_, completed)) return;
  } else {
    const auto flags = virtio::load16(available_ + virtio::kAvailableFlags, std::memory_order_relaxed);
    if ((flags & virtio::kAvailableNoInterrupt) != 0) return;
  }
  signals_.used_buffers(index());
}

void VirtQueue::mark_broken(std::string_view reason) noexcept {
  if (std::exchange(broken_, true)) return;
  signals_.needs_reset(fmt::format("queue {}: {}", index(), reason));
}

void VirtQueue::suppress_notifications() noexcept {
  // With the event index there is nothing to do: the one last asked for stays behind.
  if (!has_event_idx()) virtio::store16(used_ + virtio::kUsedFlags, virtio::kUsedNoNotify, std::memory_order_relaxed);
}

bool VirtQueue::request_notifications() noexcept {
  if (broken_) return false;
  if (has_event_idx()) {
    virtio::store16(used_ + virtio::avail_event_offset(size()), next_available_, std::memory_order_relaxed);
  } else {
    virtio::store16(used_ + virtio::kUsedFlags, 0, std::memory_order_relaxed);
  }
  // The wish is out before the index is read once more: a driver that did not see it has moved the index already.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return virtio::load16(available_ + virtio::kAvailableIdx, std::memory_order_relaxed) != next_available_;
}

}  // namespace keel
