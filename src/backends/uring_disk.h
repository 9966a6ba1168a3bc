// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <liburing.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "src/backends/disk_image.h"
#include "src/backends/disk_operation.h"
#include "keel/base/error.h"
#include "keel/base/event_fd.h"
#include "keel/devices/block_backend.h"

namespace keel {

// A disk through io_uring. All of it belongs to the thread that calls; the kernel alone works beside it.
class UringDisk final : public BlockBackend {
 public:
  // Takes the image only where it succeeds. Error kUnsupported where the host has no io_uring for this process.
  [[nodiscard]] static Result<std::unique_ptr<UringDisk>> create(DiskImage& image);
  ~UringDisk() override;
  UringDisk(const UringDisk&) = delete;
  UringDisk& operator=(const UringDisk&) = delete;

  [[nodiscard]] const DiskProperties& properties() const noexcept override { return image_.properties; }
  void submit(const BlockRequest& request) override;
  void commit() override;
  [[nodiscard]] std::span<const BlockCompletion> completed() override;
  [[nodiscard]] int completion_fd() const noexcept override { return event_.fd(); }
  void wait() override;
  void abandon() override;

 private:
  static constexpr unsigned kDepth = 128;  // requests in the kernel's hands; its completion queue has twice the room

  explicit UringDisk(EventFd event) noexcept : event_(std::move(event)) {}
  [[nodiscard]] DiskOperation* unused_operation();
  void enter();
  void reap();

  DiskImage image_;
  EventFd event_;
  io_uring ring_ = {};
  bool ring_is_open_ = false;
  std::vector<std::unique_ptr<DiskOperation>> operations_;
  std::vector<DiskOperation*> unused_;
  std::deque<DiskOperation*> waiting_;  // with a next step that the kernel does not have yet
  std::size_t running_ = 0;             // steps in the kernel's hands
  std::vector<BlockCompletion> ready_;
  std::vector<BlockCompletion> returned_;
};

}  // namespace keel
