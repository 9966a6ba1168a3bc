// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <string>
#include <vector>

#include "keel/base/error.h"
#include "keel/base/range.h"
#include "keel/bus/doorbell.h"
#include "keel/device/platform_view.h"
#include "keel/kvm/interrupt_holding.h"
#include "keel/resource/system_spaces.h"
#include "keel/vmm/guest_image.h"

namespace keel {

// A doorbell that an eventfd serves, and the path of its device.
struct DoorbellHolding {
  std::string owner;
  AnyDoorbell doorbell;
  friend bool operator==(const DoorbellHolding&, const DoorbellHolding&) = default;
};

// What is where in a machine: a picture, to print and to compare.
struct MachineMap {
  std::vector<GuestRange> ram;
  PlatformView devices;
  SystemSnapshot spaces;
  std::vector<kvm::InterruptHolding> interrupts;  // by GSI, those without one last; then by owner
  std::vector<DoorbellHolding> doorbells;         // by bus and address
  friend bool operator==(const MachineMap&, const MachineMap&) = default;
};

// The map of the machine that would run `image`. Needs no hypervisor. Errors: a device finds no place, or
// the command line has no room to tell of it.
[[nodiscard]] Result<MachineMap> map_machine(const GuestImage& image);

}  // namespace keel
