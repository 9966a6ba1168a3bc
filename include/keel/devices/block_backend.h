// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>

#include "keel/base/error.h"

namespace keel {

// What a block device keeps its data in: a file, a disk of the host, a fake in tests.
struct DiskProperties {
  enum class Access : std::uint8_t { kReadWrite, kReadOnly };

  std::uint64_t size = 0;                  // bytes, a multiple of 512, at least 512
  std::uint32_t logical_block_size = 512;  // bytes, a power of two: what is smaller is read and written back
  Access access = Access::kReadWrite;
  bool can_discard = false;
};

struct BlockRequest {
  enum class Operation : std::uint8_t {
    kRead,         // fills `pieces` from `offset` on
    kWrite,        // writes `pieces` there
    kFlush,        // what completed before this was submitted is on stable storage when this completes
    kDiscard,      // what these bytes hold matters no more
    kWriteZeroes,  // these bytes read as zero, and have their storage
    kUnmapZeroes,  // these bytes read as zero, and may lose their storage
  };
  enum class Durability : std::uint8_t {
    kCached,  // completed, a write survives the end of this process; kFlush makes it survive the host's
    kStable,  // completed, it survives both
  };

  std::uint64_t tag = 0;  // the caller's; comes back with the completion
  Operation operation = Operation::kRead;
  Durability durability = Durability::kCached;  // of writes and zeroes
  std::uint64_t offset = 0;                     // bytes
  std::uint64_t size = 0;                       // bytes; of reads and writes, what the pieces have together
  std::span<const iovec> pieces = {};           // the list is read during submit(); the bytes until completion
};

struct BlockCompletion {
  enum class Status : std::uint8_t {
    kDone,
    kFailed,       // of a read, the pieces hold anything; of a write, the range does
    kUnsupported,  // nothing was done
  };
  std::uint64_t tag = 0;
  Status status = Status::kDone;
};

// A disk that answers later. Requests complete in any order, each exactly once, and run beside each other: who wants an
// order waits for the first before submitting the second.
//
// By one thread at a time (a device's lock), which need not be always the same. Requests that lie outside the disk, or
// that write to a read-only one, fail as the device's own check would have said.
class BlockBackend {
 public:
  virtual ~BlockBackend() = default;  // as abandon(), then waits for what is under way

  [[nodiscard]] virtual const DiskProperties& properties() const noexcept = 0;

  // Takes a request; never refuses and never waits for the disk. It may start no earlier than with commit().
  virtual void submit(const BlockRequest& request) = 0;
  // Starts what was submitted: one system call for many requests.
  virtual void commit() = 0;
  // What has completed since the last call. Valid until the next call of any member. Where it returned something, ask
  // again before waiting for the event.
  [[nodiscard]] virtual std::span<const BlockCompletion> completed() = 0;
  // Readable when completed() has something to say after it last returned nothing; may be so without.
  [[nodiscard]] virtual int completion_fd() const noexcept = 0;
  // Sleeps until completed() has something to say; at once where nothing is under way. For a device that is being reset
  // or removed, and must know that nobody writes to guest memory any more.
  virtual void wait() = 0;
  // Nobody wants what was submitted so far: what the host does not have yet is not begun and completes as kFailed, and
  // what takes it several steps ends with the one under way. Does not wait: completions come as ever, one for each
  // request. What is submitted after this is served as ever, too.
  virtual void abandon() = 0;
};

}  // namespace keel
