// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include "keel/base/mutex.h"
#include "keel/interrupt/interrupt.h"

namespace keel {

// An interrupt line for a device that wants it when it is made, while the wire exists from attach to detach only. The
// socket keeps the level meanwhile, so that a wire plugged in later is driven as the device wants it.
//
// Any thread at any time. Lock order: the device's, the socket's, the wire's.
class LineSocket final : public LevelInterrupt {
 public:
  // `wire` stays until unplug() has returned, and is low.
  Result<void> plug(LevelInterrupt& wire);
  // Leaves the wire low.
  void unplug() noexcept;

  Result<void> raise() override;
  Result<void> lower() override;

 private:
  Mutex mutex_;
  LevelInterrupt* wire_ KEEL_GUARDED_BY(mutex_) = nullptr;
  bool raised_ KEEL_GUARDED_BY(mutex_) = false;
};

}  // namespace keel
