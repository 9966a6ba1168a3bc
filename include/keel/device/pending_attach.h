// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/device/device_handle.h"
#include "keel/resource/resources.h"

namespace keel {

// An attach, step by step: DeviceManager::begin() has allocated; assign() tells the device; publish() lets the guest
// in. Dropped before that, it undoes what was done. A step that fails undoes itself alone and may be tried again.
//
// Used by one thread at a time; the manager must outlive it. Meanwhile the name, the id and the resources are taken,
// and the device is not part of the tree.
class PendingAttach {
 public:
  PendingAttach(PendingAttach&&) noexcept;
  PendingAttach& operator=(PendingAttach&&) noexcept;
  ~PendingAttach();

  [[nodiscard]] InstanceId id() const noexcept;
  [[nodiscard]] const DeviceResources& resources() const noexcept;

  // Connects its interrupt lines and tells the device. Errors: kInvalidState when it was told already, kUnsupported
  // where the machine has no InterruptFactory, what that factory says, and what the device says.
  Result<void> assign();
  // Maps its memory, takes the hooks' steps, registers all its trapped ranges at once: from here on the guest reaches
  // it. Errors: kInvalidState before assign() or after success, kInvalidArgument where the device lacks what its
  // resources need (an I/O face, memory), kUnsupported where the machine has no MemoryMapper, what the hooks say,
  // kOverlap with a range that was registered behind the manager's back, and kExhausted as IoManager's registration.
  Result<DeviceHandle> publish();

 private:
  friend class DeviceManager;
  struct State;
  explicit PendingAttach(std::unique_ptr<State> state) noexcept;

  std::unique_ptr<State> state_;  // null once published or moved from
};

}  // namespace keel
