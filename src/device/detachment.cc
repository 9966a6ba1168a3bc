// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/detachment.h"

#include "keel/bus/handler_scope.h"

namespace keel {

Completion::Wait Detachment::wait() const noexcept {
  if (done()) return Completion::Wait::kDone;
  if (in_io_handler()) return Completion::Wait::kDeferred;
  done_->wait(false, std::memory_order_acquire);
  return Completion::Wait::kDone;
}

}  // namespace keel
