// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "keel/bus/removal.h"

namespace keel {

// Says when a detach is over: no I/O is inside the devices, they have been told (Device::released), and what they held
// has gone back. Copies speak of the same detach. Callable from any thread at any time, also after the manager is gone.
class Detachment {
 public:
  // Of nothing: done.
  Detachment() noexcept = default;
  explicit Detachment(std::shared_ptr<std::atomic<bool>> done) noexcept : done_(std::move(done)) {}

  // Never blocks. Becomes true by itself, without anybody waiting.
  [[nodiscard]] bool done() const noexcept { return !done_ || done_->load(std::memory_order_acquire); }
  // Returns once done, or at once with kDeferred from inside a handler. The caller must hold no lock that a device's
  // handler takes.
  Completion::Wait wait() const noexcept;

 private:
  std::shared_ptr<std::atomic<bool>> done_;
};

}  // namespace keel
