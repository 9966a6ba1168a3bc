// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/removal.h"

#include "src/bus/grace_period.h"

namespace keel {

bool Completion::done() const noexcept {
  return !period_ || period_->done();
}

Completion::Wait Completion::wait() const {
  return !period_ || period_->wait() ? Wait::kDone : Wait::kDeferred;
}

}  // namespace keel
