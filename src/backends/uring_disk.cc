// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/backends/uring_disk.h"

#include <atomic>
#include <cerrno>
#include <thread>
#include <utility>

#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel {
namespace {

void prepare(io_uring_sqe* entry, int fd, const DiskStep& step) {
  const auto buffers = static_cast<unsigned>(step.buffers.size());
  switch (step.call) {
    case DiskStep::Call::kRead: io_uring_prep_readv(entry, fd, step.buffers.data(), buffers, step.offset); break;
    case DiskStep::Call::kWrite:
      io_uring_prep_writev2(entry, fd, step.buffers.data(), buffers, step.offset, step.flags);
      break;
    case DiskStep::Call::kSync: io_uring_prep_fsync(entry, fd, IORING_FSYNC_DATASYNC); break;
    case DiskStep::Call::kAllocate:
      io_uring_prep_fallocate(entry, fd, step.flags, static_cast<off_t>(step.offset), static_cast<off_t>(step.size));
      break;
  }
}

std::unexpected<Error> no_uring(int error_number) {
  return fail(ErrorCode::kUnsupported, "{}", system_error(error_number, "io_uring").message());
}

bool has_operations(io_uring& ring) {
  io_uring_probe* const probe = io_uring_get_probe_ring(&ring);
  if (probe == nullptr) return false;
  bool all = true;
  for (const int operation : {IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE})
    all = all && io_uring_opcode_supported(probe, operation) != 0;
  io_uring_free_probe(probe);
  return all;
}

}  // namespace

Result<std::unique_ptr<UringDisk>> UringDisk::create(DiskImage& image) {
  KEEL_TRY(EventFd event, EventFd::create());
  std::unique_ptr<UringDisk> disk(new UringDisk(std::move(event)));
  if (const int error = io_uring_queue_init(kDepth, &disk->ring_, 0); error < 0) return no_uring(-error);
  disk->ring_is_open_ = true;
  if (!has_operations(disk->ring_)) return no_uring(ENOSYS);
  // The file is not registered with the ring: a ring's end is the kernel's to find time for, and until then would keep
  // the lock of a process that was killed, and a block device's exclusive use.
  if (const int error = io_uring_register_eventfd(&disk->ring_, disk->event_.fd()); error < 0) return no_uring(-error);
  disk->image_ = std::move(image);
  return disk;
}

UringDisk::~UringDisk() {
  if (!ring_is_open_) return;
  abandon();
  while (running_ > 0 || !waiting_.empty()) {
    ready_.clear();
    wait();
  }
  io_uring_queue_exit(&ring_);
}

DiskOperation* UringDisk::unused_operation() {
  if (unused_.empty()) return operations_.emplace_back(std::make_unique<DiskOperation>()).get();
  DiskOperation* const operation = unused_.back();
  unused_.pop_back();
  return operation;
}

void UringDisk::submit(const BlockRequest& request) {
  DiskOperation* const operation = unused_operation();
  operation->start(request, image_.properties);
  waiting_.push_back(operation);
}

void UringDisk::commit() {
  while (!waiting_.empty() && running_ < kDepth) {
    DiskOperation* const operation = waiting_.front();
    waiting_.pop_front();
    const auto step = operation->next();
    if (!step) {
      ready_.push_back(operation->completion());
      unused_.push_back(operation);
      continue;
    }
    io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
    check(entry != nullptr, "a ring takes as many requests as it has entries");
    prepare(entry, image_.file.get(), *step);
    io_uring_sqe_set_data(entry, operation);
    ++running_;
  }
  enter();
}

// The kernel may be short of memory for a moment; it takes everything in the end.
void UringDisk::enter() {
  while (io_uring_sq_ready(&ring_) > 0) {
    const int count = io_uring_submit(&ring_);
    if (count >= 0 || count == -EINTR) continue;
    check(count == -EAGAIN || count == -EBUSY || count == -ENOMEM, "io_uring takes a well-formed request");
    std::this_thread::yield();
  }
}

void UringDisk::reap() {
  io_uring_cqe* entry = nullptr;
  while (io_uring_peek_cqe(&ring_, &entry) == 0) {
    auto* const operation = static_cast<DiskOperation*>(io_uring_cqe_get_data(entry));
    operation->result(entry->res);
    io_uring_cqe_seen(&ring_, entry);
    --running_;
    waiting_.push_back(operation);
  }
  if (!waiting_.empty()) commit();
}

// The kernel signals the event only while nobody looks: most requests complete within commit(), and are found by the
// call after it.
std::span<const BlockCompletion> UringDisk::completed() {
  io_uring_cq_eventfd_toggle(&ring_, false);
  reap();
  if (ready_.empty()) {
    const auto drained = event_.drain();
    check(drained.has_value(), "the disk's own eventfd can be read");
    io_uring_cq_eventfd_toggle(&ring_, true);
    // The wish is out before the ring is looked at once more: the kernel does it the other way round.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    reap();  // what completed before the event was on
  }
  returned_.clear();
  std::swap(ready_, returned_);
  return returned_;
}

void UringDisk::wait() {
  commit();
  while (ready_.empty() && running_ > 0) {
    io_uring_cqe* entry = nullptr;
    const int error = io_uring_wait_cqe(&ring_, &entry);
    check(error == 0 || error == -EINTR || error == -EAGAIN, "io_uring waits for what it was given");
    reap();
  }
}

// The unused are told for nothing: they forget it when they start.
void UringDisk::abandon() {
  for (const auto& operation : operations_) operation->abandon();
}

}  // namespace keel
