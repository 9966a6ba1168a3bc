// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "keel/base/error.h"
#include "keel/base/event_fd.h"
#include "keel/base/event_loop.h"
#include "keel/virtio/virtio_device.h"

namespace keel::detail {

// Brings notifications of queues to their device on an event loop's thread, wherever they come from. To the device each
// is an I/O handler, as the doorbell's access is: inside it any device may be managed, this one included. Any thread.
class QueueKicks {
 public:
  // `device` and `loop` outlive this.
  [[nodiscard]] static Result<std::unique_ptr<QueueKicks>> create(VirtioDevice& device, EventLoop& loop);
  QueueKicks(const QueueKicks&) = delete;
  QueueKicks& operator=(const QueueKicks&) = delete;
  // Waits for the device to come out of notify(); inside a callback of the loop it need not.
  ~QueueKicks() { watch_.drop_and_wait(); }

  [[nodiscard]] EventLoop& loop() const noexcept { return loop_; }
  // At once where the caller is on the loop (a doorbell that it serves), else soon. `queue` is one of the device's.
  void notify(std::uint16_t queue);
  // Soon.
  void post(std::uint16_t queue);

 private:
  QueueKicks(VirtioDevice& device, EventLoop& loop, EventFd event);
  void serve();

  VirtioDevice& device_;
  EventLoop& loop_;
  const EventFd event_;
  std::vector<std::atomic<std::uint64_t>> posted_;  // a bit per queue
  Watch watch_;
};

}  // namespace keel::detail
