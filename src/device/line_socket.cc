// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/line_socket.h"

#include "keel/base/try.h"

namespace keel {

Result<void> LineSocket::plug(LevelInterrupt& wire) {
  const Lock lock(mutex_);
  if (raised_) KEEL_TRY_VOID(wire.raise());
  wire_ = &wire;
  return {};
}

void LineSocket::unplug() noexcept {
  const Lock lock(mutex_);
  // A host that refuses cannot be helped here: the wire itself is about to go.
  if (wire_ != nullptr && raised_) (void)wire_->lower();
  wire_ = nullptr;
}

Result<void> LineSocket::raise() {
  const Lock lock(mutex_);
  if (wire_ != nullptr) KEEL_TRY_VOID(wire_->raise());
  raised_ = true;
  return {};
}

Result<void> LineSocket::lower() {
  const Lock lock(mutex_);
  if (wire_ != nullptr) KEEL_TRY_VOID(wire_->lower());
  raised_ = false;
  return {};
}

}  // namespace keel
