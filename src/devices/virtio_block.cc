// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/virtio_block.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "keel/base/check.h"
#include "keel/base/little_endian.h"
#include "keel/base/try.h"
#include "keel/bus/handler_scope.h"

namespace keel {
namespace {

namespace spec = virtio_block;
using Operation = BlockRequest::Operation;

// What a discard or write-zeroes may cover: 2 GiB, so that one request cannot keep the disk for ever.
constexpr std::uint32_t kMaxSegmentSectors = 1u << 22;
// A chain of a full queue, less the header and the status.
constexpr std::uint32_t kSegMax = VirtioBlock::kQueueSize - 2;
// Of the driver's segments each may lie across two regions of memory, and is two pieces then.
constexpr std::size_t kMostPieces = 2 * kSegMax;

std::array<char, spec::kIdSize> padded(std::string_view id) {
  std::array<char, spec::kIdSize> bytes = {};
  std::ranges::copy(id.substr(0, bytes.size()), bytes.begin());
  return bytes;
}

}  // namespace

Result<std::shared_ptr<VirtioBlock>> VirtioBlock::create(Parts parts) {
  if (!parts.disk) return fail(ErrorCode::kInvalidArgument, "a block device needs a disk");
  if (parts.queues == 0 || parts.queues > kMaxQueues) {
    return fail(ErrorCode::kInvalidArgument, "a block device of {} queues; it has 1 to {}", parts.queues, kMaxQueues);
  }
  EventLoop& loop = parts.loop;
  std::shared_ptr<VirtioBlock> device(new VirtioBlock(std::move(parts)));
  KEEL_TRY(device->completions_,
           loop.watch(device->disk_->completion_fd(), Readiness::kReadable, [self = device.get()] {
             const HandlerScope scope;
             const Lock lock(self->mutex_);
             self->collect();
           }));
  return device;
}

VirtioBlock::VirtioBlock(Parts parts)
    : properties_(parts.disk->properties()),
      id_(padded(parts.id)),
      queue_sizes_(parts.queues, kQueueSize),
      disk_(std::move(parts.disk)) {}

VirtioBlock::~VirtioBlock() {
  completions_.drop_and_wait();
  reset();
}

std::uint64_t VirtioBlock::features() const noexcept {
  std::uint64_t offered =
      spec::kFeatureSegMax | spec::kFeatureBlockSize | spec::kFeatureFlush | spec::kFeatureConfigWce;
  if (queue_sizes_.size() > 1) offered |= spec::kFeatureMultiQueue;
  if (properties_.access == DiskProperties::Access::kReadOnly) return offered | spec::kFeatureReadOnly;
  if (properties_.can_discard) offered |= spec::kFeatureDiscard;
  return offered | spec::kFeatureWriteZeroes;
}

void VirtioBlock::read_config(std::uint64_t offset, std::span<std::uint8_t> data) const {
  std::array<std::uint8_t, spec::kConfigSize> all = {};
  store_le_at<std::uint64_t>(all, spec::kConfigCapacity, properties_.size / spec::kSectorSize);
  store_le_at<std::uint32_t>(all, spec::kConfigSegMax, kSegMax);
  store_le_at<std::uint32_t>(all, spec::kConfigBlockSize, properties_.logical_block_size);
  all[spec::kConfigWriteback] = writeback_.load(std::memory_order_relaxed);
  store_le_at<std::uint16_t>(all, spec::kConfigQueues, static_cast<std::uint16_t>(queue_sizes_.size()));
  store_le_at<std::uint32_t>(all, spec::kConfigMaxDiscardSectors, kMaxSegmentSectors);
  store_le_at<std::uint32_t>(all, spec::kConfigMaxDiscardSegments, 1u);
  store_le_at<std::uint32_t>(all, spec::kConfigDiscardAlignment,
                             static_cast<std::uint32_t>(properties_.logical_block_size / spec::kSectorSize));
  store_le_at<std::uint32_t>(all, spec::kConfigMaxZeroesSectors, kMaxSegmentSectors);
  store_le_at<std::uint32_t>(all, spec::kConfigMaxZeroesSegments, 1u);
  all[spec::kConfigZeroesMayUnmap] = 1;
  std::ranges::fill(data, std::uint8_t{0});
  if (offset >= all.size()) return;
  const auto there = std::span(all).subspan(offset);
  std::ranges::copy(there.first(std::min(there.size(), data.size())), data.begin());
}

// 5.2.4: the driver may write nothing but the cache's mode.
void VirtioBlock::write_config(std::uint64_t offset, std::span<const std::uint8_t> data) {
  if (offset > spec::kConfigWriteback || data.size() <= spec::kConfigWriteback - offset) return;
  writeback_.store(data[spec::kConfigWriteback - offset] & 1, std::memory_order_relaxed);
}

Result<void> VirtioBlock::activate(VirtioActivation activation) {
  const Lock lock(mutex_);
  features_ = activation.features;
  // 5.2.5.2
  if ((features_ & spec::kFeatureFlush) == 0) writeback_.store(0, std::memory_order_relaxed);
  queues_ = std::move(activation.queues);
  return {};
}

void VirtioBlock::reset() noexcept {
  const Lock lock(mutex_);
  disk_->abandon();
  while (in_flight_ > 0) {
    disk_->wait();
    for (const BlockCompletion& completion : disk_->completed()) {
      pending_[completion.tag].reset();
      free_tags_.push_back(completion.tag);
      --in_flight_;
    }
  }
  queues_.clear();
  features_ = 0;
  writeback_.store(1, std::memory_order_relaxed);
}

// The disk knows of no queues, so nothing is given up; what completes meanwhile is answered, in all of them.
void VirtioBlock::reset_queue(std::uint16_t queue) noexcept {
  const Lock lock(mutex_);
  const auto is_its_own = [queue](const std::optional<Pending>& one) { return one && one->queue == queue; };
  while (std::ranges::any_of(pending_, is_its_own)) {
    disk_->wait();
    collect();
  }
  queues_[queue].reset();
}

void VirtioBlock::notify(std::uint16_t queue) {
  const Lock lock(mutex_);
  if (queue < queues_.size() && queues_[queue]) serve(*queues_[queue]);
}

void VirtioBlock::serve(VirtQueue& queue) {
  queue.drain([&](DescriptorChain chain) KEEL_NO_THREAD_SAFETY_ANALYSIS { take(queue, std::move(chain)); });
  disk_->commit();
  // What the page cache had is here already.
  collect();
}

void VirtioBlock::take(VirtQueue& queue, DescriptorChain chain) {
  const auto status = chain.writable().take_last_byte();
  if (!status) return queue.mark_broken("a block request has no room for its status");
  Verdict verdict = judge(chain);
  if (!verdict.request) {
    **status = verdict.status;
    return queue.complete(std::move(chain), verdict.written + 1);
  }
  if (free_tags_.empty()) {
    free_tags_.push_back(pending_.size());
    pending_.emplace_back();
  }
  const std::uint64_t tag = free_tags_.back();
  free_tags_.pop_back();
  verdict.request->tag = tag;
  disk_->submit(*verdict.request);
  pending_[tag].emplace(std::move(chain), queue.index(), *status, verdict.written + 1);
  ++in_flight_;
}

VirtioBlock::Verdict VirtioBlock::judge(DescriptorChain& chain) const {
  const auto header = chain.readable().read_object<spec::RequestHeader>();
  const std::size_t pieces = chain.readable().segments().size() + chain.writable().segments().size();
  if (!header || pieces > kMostPieces) return {.status = spec::kStatusIoError};
  switch (header->type) {
    case spec::kTypeIn: return judge_transfer(Operation::kRead, header->sector, chain.writable());
    case spec::kTypeOut: return judge_transfer(Operation::kWrite, header->sector, chain.readable());
    case spec::kTypeFlush: return {.request = BlockRequest{.operation = Operation::kFlush}};
    case spec::kTypeGetId: return answer_id(chain.writable());
    case spec::kTypeDiscard:
    case spec::kTypeWriteZeroes: return judge_segment(header->type, chain.readable());
    default: return {.status = spec::kStatusUnsupported};
  }
}

bool VirtioBlock::is_on_disk(std::uint64_t sector, std::uint64_t bytes) const noexcept {
  const std::uint64_t capacity = properties_.size / spec::kSectorSize;
  return sector <= capacity && bytes <= (capacity - sector) * spec::kSectorSize;
}

bool VirtioBlock::writes_back() const noexcept {
  const bool flushes = (features_ & spec::kFeatureFlush) != 0;
  const bool chooses = (features_ & spec::kFeatureConfigWce) != 0;
  return flushes && (!chooses || writeback_.load(std::memory_order_relaxed) != 0);
}

VirtioBlock::Verdict VirtioBlock::judge_transfer(Operation operation, std::uint64_t sector,
                                                 const GuestBuffers& data) const {
  const bool refused = operation == Operation::kWrite && properties_.access == DiskProperties::Access::kReadOnly;
  if (refused || data.size() % spec::kSectorSize != 0 || !is_on_disk(sector, data.size()) ||
      data.size() >= std::numeric_limits<std::uint32_t>::max()) {
    return {.status = spec::kStatusIoError};
  }
  using enum BlockRequest::Durability;
  return {.request = BlockRequest{.operation = operation,
                                  .durability = writes_back() ? kCached : kStable,
                                  .offset = sector * spec::kSectorSize,
                                  .size = data.size(),
                                  .pieces = data.segments()},
          .written = operation == Operation::kRead ? static_cast<std::uint32_t>(data.size()) : 0};
}

// 5.2.6.2. What was not negotiated the device does not know.
VirtioBlock::Verdict VirtioBlock::judge_segment(std::uint32_t type, ReadableBuffers& data) const {
  const bool discards = type == spec::kTypeDiscard;
  if ((features_ & (discards ? spec::kFeatureDiscard : spec::kFeatureWriteZeroes)) == 0)
    return {.status = spec::kStatusUnsupported};
  const auto segment = data.read_object<spec::Segment>();
  if (!segment || !data.empty()) return {.status = spec::kStatusIoError};
  const std::uint32_t known_flags = discards ? 0 : spec::kSegmentUnmap;
  if ((segment->flags & ~known_flags) != 0) return {.status = spec::kStatusUnsupported};
  const std::uint64_t bytes = segment->sectors * spec::kSectorSize;
  if (segment->sectors > kMaxSegmentSectors || !is_on_disk(segment->sector, bytes))
    return {.status = spec::kStatusIoError};
  const auto zeroes = segment->flags == spec::kSegmentUnmap ? Operation::kUnmapZeroes : Operation::kWriteZeroes;
  using enum BlockRequest::Durability;
  return {.request = BlockRequest{.operation = discards ? Operation::kDiscard : zeroes,
                                  .durability = writes_back() ? kCached : kStable,
                                  .offset = segment->sector * spec::kSectorSize,
                                  .size = bytes}};
}

VirtioBlock::Verdict VirtioBlock::answer_id(WritableBuffers& data) const {
  const std::size_t count = data.write_some({reinterpret_cast<const std::uint8_t*>(id_.data()), id_.size()});
  return {.written = static_cast<std::uint32_t>(count)};
}

void VirtioBlock::collect() {
  for (auto completions = disk_->completed(); !completions.empty(); completions = disk_->completed()) {
    for (const BlockCompletion& completion : completions) {
      check(pending_[completion.tag].has_value(), "a disk completes a request once");
      Pending done = std::move(*pending_[completion.tag]);
      pending_[completion.tag].reset();
      free_tags_.push_back(completion.tag);
      --in_flight_;
      using enum BlockCompletion::Status;
      const bool unsupported = completion.status == kUnsupported;
      const bool well = completion.status == kDone;
      *done.status = well ? spec::kStatusOk : unsupported ? spec::kStatusUnsupported : spec::kStatusIoError;
      queues_[done.queue]->complete(std::move(done.chain), well ? done.written : 1);
    }
  }
  for (const auto& queue : queues_)
    if (queue) queue->signal();
}

}  // namespace keel
