// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "src/backends/disk_image.h"
#include "src/backends/disk_operation.h"
#include "keel/base/error.h"
#include "keel/base/event_fd.h"
#include "keel/base/mutex.h"
#include "keel/devices/block_backend.h"

namespace keel {

// A disk through preadv(2), pwritev(2) and their like, on a few threads that wait for it.
class ThreadDisk final : public BlockBackend {
 public:
  // Error kExhausted where the host has no thread left.
  [[nodiscard]] static Result<std::unique_ptr<ThreadDisk>> create(DiskImage& image);
  ~ThreadDisk() override;
  ThreadDisk(const ThreadDisk&) = delete;
  ThreadDisk& operator=(const ThreadDisk&) = delete;

  [[nodiscard]] const DiskProperties& properties() const noexcept override { return image_.properties; }
  void submit(const BlockRequest& request) override;
  void commit() override;
  [[nodiscard]] std::span<const BlockCompletion> completed() override;
  [[nodiscard]] int completion_fd() const noexcept override { return event_.fd(); }
  void wait() override;
  void abandon() override;

 private:
  static constexpr int kThreads = 4;

  explicit ThreadDisk(EventFd event) noexcept : event_(std::move(event)) {}
  void work();
  [[nodiscard]] bool take_ready();

  DiskImage image_;
  EventFd event_;
  std::vector<std::thread> threads_;
  // The caller's.
  std::vector<std::unique_ptr<DiskOperation>> operations_;
  std::vector<DiskOperation*> unused_;
  std::vector<DiskOperation*> submitted_;  // not committed yet
  std::vector<DiskOperation*> taken_;
  std::vector<BlockCompletion> returned_;
  // Shared with the threads. The lock is a leaf.
  Mutex mutex_;
  std::condition_variable_any work_to_do_;
  std::condition_variable_any work_done_;
  std::deque<DiskOperation*> queue_ KEEL_GUARDED_BY(mutex_);
  std::vector<DiskOperation*> ready_ KEEL_GUARDED_BY(mutex_);
  std::size_t under_way_ KEEL_GUARDED_BY(mutex_) = 0;  // committed and not ready
  bool over_ KEEL_GUARDED_BY(mutex_) = false;
};

}  // namespace keel
