// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "keel/base/mutex.h"
#include "keel/device/device.h"
#include "keel/device/machine_hooks.h"
#include "keel/interrupt/interrupt.h"
#include "keel/resource/system_allocator.h"

namespace keel::detail {

// An AttachedPart and the resource it was made for.
struct TakenPart {
  Resource resource;
  std::unique_ptr<AttachedPart> part;
};

// All that an attach has taken for a device. Owned by one flow (an attach, a move, a detach) at a time, and by the tree
// between flows.
struct Belongings {
  std::shared_ptr<Device> device;
  DeviceRole role = DeviceRole::kDevice;
  Grant<Mutex> grant = {};
  std::vector<std::unique_ptr<LevelInterrupt>> lines = {};
  std::vector<TakenPart> parts = {};  // in the order they were taken

  [[nodiscard]] const DeviceResources& resources() const noexcept { return grant.resources(); }
  [[nodiscard]] const std::string& path() const noexcept { return grant.owner(); }
  // Whether it gets lines, memory and I/O at all.
  [[nodiscard]] bool is_played() const noexcept { return role != DeviceRole::kReservation; }
};

// Destroys in reverse.
template <typename T>
void drop_all(std::vector<T>& things) noexcept {
  while (!things.empty()) things.pop_back();
}

}  // namespace keel::detail
