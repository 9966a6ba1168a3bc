// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <vector>

#include "keel/base/error.h"
#include "keel/base/range.h"
#include "keel/device/platform_view.h"
#include "keel/resource/system_spaces.h"
#include "keel/vmm/guest_image.h"

namespace keel {

// What is where in a machine: a picture, to print and to compare.
struct MachineMap {
  std::vector<GuestRange> ram;
  PlatformView devices;
  SystemSnapshot spaces;
  friend bool operator==(const MachineMap&, const MachineMap&) = default;
};

// The map of the machine that would run `image`. Needs no hypervisor. Errors: a device finds no place.
[[nodiscard]] Result<MachineMap> map_machine(const GuestImage& image);

}  // namespace keel
