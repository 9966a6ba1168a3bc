// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "keel/base/range.h"

namespace keel::x86_64 {

// Address range types of INT 15h, E820h (ACPI 6.4, table 15.1).
enum class E820Type : std::uint32_t { kRam = 1, kReserved = 2, kAcpi = 3, kNvs = 4 };

struct E820Entry {
  GuestRange range;
  E820Type type;
  friend bool operator==(const E820Entry&, const E820Entry&) = default;
};

// What the guest is told about its memory, by ascending address and without overlaps: `ram`, less the legacy area below
// 1 MiB (reserved: it holds the ACPI tables), and the firmware area below 4 GiB (reserved). `ram` is ascending, as
// ram_ranges() or GuestMemory::regions() have it.
[[nodiscard]] std::vector<E820Entry> e820_map(std::span<const GuestRange> ram);

}  // namespace keel::x86_64
