// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "keel/devices/block_backend.h"

namespace keel {

// One system call on a disk's file.
struct DiskStep {
  enum class Call : std::uint8_t { kRead, kWrite, kSync, kAllocate };

  Call call = Call::kSync;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;               // kAllocate
  std::span<const iovec> buffers = {};  // kRead, kWrite; there until result() is told
  int flags = 0;                        // kWrite: RWF_…; kAllocate: FALLOC_FL_…
};

// A request as the system calls that fulfil it, one after the other: what comes back short is continued, and what the
// file system cannot do is done in the next best way. Both engines carry these out, so that they cannot differ.
class DiskOperation {
 public:
  void start(const BlockRequest& request, const DiskProperties& disk);

  // What to do next; nothing when the request is complete.
  [[nodiscard]] std::optional<DiskStep> next();
  // What that came to: bytes, or -errno.
  void result(std::int64_t value);
  // No more steps until the next start(): it fails, unless the last one completed it. From any thread.
  void abandon() noexcept { abandoned_.store(true, std::memory_order_relaxed); }

  [[nodiscard]] BlockCompletion completion() const noexcept { return {.tag = tag_, .status = status_}; }

 private:
  enum class Phase : std::uint8_t { kTransfer, kPunch, kZeroRange, kWriteZeroes, kSync, kOver };

  [[nodiscard]] static Phase first_phase(BlockRequest::Operation operation) noexcept;
  void fail(BlockCompletion::Status status) noexcept;
  void finish_data() noexcept;
  void cannot_allocate() noexcept;
  void advance(std::uint64_t count) noexcept;
  void fill_with_zeroes();

  std::uint64_t tag_ = 0;
  BlockRequest::Operation operation_ = BlockRequest::Operation::kRead;
  BlockRequest::Durability durability_ = BlockRequest::Durability::kCached;
  BlockCompletion::Status status_ = BlockCompletion::Status::kDone;
  Phase phase_ = Phase::kOver;
  std::uint64_t offset_ = 0;
  std::uint64_t left_ = 0;       // bytes
  std::vector<iovec> buffers_;   // keeps its room from request to request, unless it was long
  std::size_t next_buffer_ = 0;  // those before it are done
  std::atomic<bool> abandoned_ = false;
};

}  // namespace keel
