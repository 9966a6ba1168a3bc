// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>

#include "keel/base/error.h"
#include "keel/device/device_manager.h"
#include "keel/resource/system_spaces.h"

namespace keel {

// KVM_MAX_IRQ_ROUTES on x86_64, less the second routes that the PIC pair takes.
inline constexpr std::uint32_t kPcGsis = 4096 - 16;

// What a PC with so much RAM has to give to its devices.
[[nodiscard]] SystemConfig pc_spaces(std::uint64_t memory_size);

// Takes the places of what the kernel plays, of RAM's slots, and of what must stay empty, so that no device gets them
// and the map shows them. `ram_regions` is the number of RAM's slots, which are the first.
Result<void> reserve_pc(DeviceManager& devices, std::size_t ram_regions);

}  // namespace keel
