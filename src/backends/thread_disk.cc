// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/backends/thread_disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "src/base/signals_blocked.h"
#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel {
namespace {

std::int64_t carry_out(int fd, const DiskStep& step) {
  const auto buffers = static_cast<int>(step.buffers.size());
  const auto offset = static_cast<off_t>(step.offset);
  ssize_t value = 0;
  switch (step.call) {
    case DiskStep::Call::kRead: value = ::preadv2(fd, step.buffers.data(), buffers, offset, 0); break;
    case DiskStep::Call::kWrite: value = ::pwritev2(fd, step.buffers.data(), buffers, offset, step.flags); break;
    case DiskStep::Call::kSync: value = ::fdatasync(fd); break;
    case DiskStep::Call::kAllocate: value = ::fallocate(fd, step.flags, offset, static_cast<off_t>(step.size)); break;
  }
  return value < 0 ? -errno : value;
}

}  // namespace

Result<std::unique_ptr<ThreadDisk>> ThreadDisk::create(DiskImage& image) {
  KEEL_TRY(EventFd event, EventFd::create());
  std::unique_ptr<ThreadDisk> disk(new ThreadDisk(std::move(event)));
  try {
    const SignalsBlocked blocked;
    for (int i = 0; i < kThreads; ++i) disk->threads_.emplace_back([self = disk.get()] { self->work(); });
  } catch (const std::system_error& error) {
    return fail(ErrorCode::kExhausted, "no thread left for a disk: {}", error.code().message());
  }
  disk->image_ = std::move(image);
  return disk;
}

ThreadDisk::~ThreadDisk() {
  abandon();
  {
    const Lock lock(mutex_);
    over_ = true;  // they empty the queue first
  }
  work_to_do_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadDisk::work() {
  for (;;) {
    DiskOperation* operation = nullptr;
    {
      const Lock lock(mutex_);
      while (queue_.empty() && !over_) work_to_do_.wait(mutex_);
      if (queue_.empty()) return;
      operation = queue_.front();
      queue_.pop_front();
    }
    while (const auto step = operation->next()) operation->result(carry_out(image_.file.get(), *step));
    {
      const Lock lock(mutex_);
      ready_.push_back(operation);
      --under_way_;
    }
    work_done_.notify_all();
    const auto signalled = event_.signal();
    check(signalled.has_value(), "the disk's own eventfd takes a signal");
  }
}

void ThreadDisk::submit(const BlockRequest& request) {
  if (unused_.empty()) unused_.push_back(operations_.emplace_back(std::make_unique<DiskOperation>()).get());
  DiskOperation* const operation = unused_.back();
  unused_.pop_back();
  operation->start(request, image_.properties);
  submitted_.push_back(operation);
}

void ThreadDisk::commit() {
  if (submitted_.empty()) return;
  {
    const Lock lock(mutex_);
    queue_.insert(queue_.end(), submitted_.begin(), submitted_.end());
    under_way_ += submitted_.size();
  }
  submitted_.size() == 1 ? work_to_do_.notify_one() : work_to_do_.notify_all();
  submitted_.clear();
}

bool ThreadDisk::take_ready() {
  taken_.clear();
  const Lock lock(mutex_);
  std::swap(ready_, taken_);
  return !taken_.empty();
}

std::span<const BlockCompletion> ThreadDisk::completed() {
  if (!take_ready()) {
    const auto drained = event_.drain();
    check(drained.has_value(), "the disk's own eventfd can be read");
    static_cast<void>(take_ready());  // what was signalled by what has just been drained
  }
  returned_.clear();
  for (DiskOperation* const operation : taken_) {
    returned_.push_back(operation->completion());
    unused_.push_back(operation);
  }
  return returned_;
}

void ThreadDisk::wait() {
  commit();
  const Lock lock(mutex_);
  while (ready_.empty() && under_way_ > 0) work_done_.wait(mutex_);
}

// The unused are told for nothing: they forget it when they start.
void ThreadDisk::abandon() {
  for (const auto& operation : operations_) operation->abandon();
}

}  // namespace keel
