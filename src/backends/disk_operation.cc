// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/backends/disk_operation.h"

#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

namespace keel {
namespace {

using Operation = BlockRequest::Operation;
using Status = BlockCompletion::Status;

// Written from, never to; not const, as constants take room in the program's file and memory.
constinit std::array<std::uint8_t, 16 << 10> zeroes = {};
constexpr std::size_t kZeroBuffers = 64;  // 1 MiB a call
// Of an operation that is over: a guest that once sent more holds no memory of the host by it.
constexpr std::size_t kKeptBuffers = 64;

bool is_allowed(const BlockRequest& request, const DiskProperties& disk) {
  if (request.operation == Operation::kFlush) return true;
  if (request.operation != Operation::kRead && disk.access == DiskProperties::Access::kReadOnly) return false;
  return request.offset <= disk.size && request.size <= disk.size - request.offset;
}

bool moves_data(Operation operation) {
  return operation == Operation::kRead || operation == Operation::kWrite;
}

}  // namespace

DiskOperation::Phase DiskOperation::first_phase(Operation operation) noexcept {
  switch (operation) {
    case Operation::kRead:
    case Operation::kWrite: return Phase::kTransfer;
    case Operation::kFlush: return Phase::kSync;
    case Operation::kDiscard:
    case Operation::kUnmapZeroes: return Phase::kPunch;
    case Operation::kWriteZeroes: return Phase::kZeroRange;
  }
  return Phase::kOver;
}

void DiskOperation::start(const BlockRequest& request, const DiskProperties& disk) {
  tag_ = request.tag;
  operation_ = request.operation;
  durability_ = request.durability;
  status_ = Status::kDone;
  phase_ = first_phase(request.operation);
  offset_ = request.offset;
  left_ = request.size;
  buffers_.clear();
  next_buffer_ = 0;
  abandoned_.store(false, std::memory_order_relaxed);
  if (!is_allowed(request, disk)) return fail(Status::kFailed);
  if (moves_data(operation_)) {
    std::uint64_t held = 0;
    buffers_.assign(request.pieces.begin(), request.pieces.end());
    for (const iovec& piece : buffers_) held += piece.iov_len;
    if (held != request.size) return fail(Status::kFailed);
  }
  if (operation_ == Operation::kFlush) {
    // What nobody may write to has nothing to flush.
    if (disk.access == DiskProperties::Access::kReadOnly) phase_ = Phase::kOver;
  } else if (left_ == 0) {
    phase_ = Phase::kOver;
  }
}

std::optional<DiskStep> DiskOperation::next() {
  if (phase_ != Phase::kOver && abandoned_.load(std::memory_order_relaxed)) fail(Status::kFailed);
  const bool writes_through = durability_ == BlockRequest::Durability::kStable;
  switch (phase_) {
    case Phase::kTransfer:
    case Phase::kWriteZeroes: {
      if (phase_ == Phase::kWriteZeroes) fill_with_zeroes();
      const auto buffers = std::span(buffers_).subspan(next_buffer_);
      return DiskStep{.call = operation_ == Operation::kRead ? DiskStep::Call::kRead : DiskStep::Call::kWrite,
                      .offset = offset_,
                      .buffers = buffers.first(std::min<std::size_t>(buffers.size(), IOV_MAX)),
                      .flags = operation_ != Operation::kRead && writes_through ? RWF_DSYNC : 0};
    }
    case Phase::kPunch:
      return DiskStep{.call = DiskStep::Call::kAllocate,
                      .offset = offset_,
                      .size = left_,
                      .flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE};
    case Phase::kZeroRange:
      return DiskStep{.call = DiskStep::Call::kAllocate,
                      .offset = offset_,
                      .size = left_,
                      .flags = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
    case Phase::kSync: return DiskStep{.call = DiskStep::Call::kSync};
    case Phase::kOver: break;
  }
  if (buffers_.capacity() > kKeptBuffers) buffers_ = std::vector<iovec>();
  return std::nullopt;
}

void DiskOperation::result(std::int64_t value) {
  if (value == -EINTR || value == -EAGAIN) return;
  const bool allocates = phase_ == Phase::kPunch || phase_ == Phase::kZeroRange;
  if (allocates && (value == -EOPNOTSUPP || value == -ENOSYS || value == -EINVAL)) return cannot_allocate();
  if (value < 0) return fail(Status::kFailed);
  if (allocates) return finish_data();
  if (phase_ == Phase::kSync) {
    phase_ = Phase::kOver;
    return;
  }
  // Nothing of something: the file has become shorter than the disk is.
  if (value == 0) return fail(Status::kFailed);
  advance(static_cast<std::uint64_t>(value));
}

void DiskOperation::fail(Status status) noexcept {
  status_ = status;
  phase_ = Phase::kOver;
}

// A write that asked for it was stable by its own flag; zeroes that the file system made are not.
void DiskOperation::finish_data() noexcept {
  const bool made_by_file_system = phase_ == Phase::kPunch || phase_ == Phase::kZeroRange;
  const bool stable = durability_ == BlockRequest::Durability::kStable;
  phase_ = made_by_file_system && stable ? Phase::kSync : Phase::kOver;
}

void DiskOperation::cannot_allocate() noexcept {
  if (operation_ == Operation::kDiscard) return fail(Status::kUnsupported);
  phase_ = phase_ == Phase::kPunch ? Phase::kZeroRange : Phase::kWriteZeroes;
}

void DiskOperation::advance(std::uint64_t count) noexcept {
  offset_ += count;
  left_ -= std::min(left_, count);
  while (count > 0 && next_buffer_ < buffers_.size()) {
    iovec& buffer = buffers_[next_buffer_];
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(count, buffer.iov_len));
    buffer.iov_base = static_cast<std::uint8_t*>(buffer.iov_base) + taken;
    buffer.iov_len -= taken;
    count -= taken;
    if (buffer.iov_len == 0) ++next_buffer_;
  }
  if (left_ == 0) finish_data();
}

void DiskOperation::fill_with_zeroes() {
  buffers_.clear();
  next_buffer_ = 0;
  for (std::uint64_t left = left_; left > 0 && buffers_.size() < kZeroBuffers;) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, zeroes.size()));
    buffers_.push_back({zeroes.data(), size});
    left -= size;
  }
}

}  // namespace keel
