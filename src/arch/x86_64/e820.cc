// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/e820.h"

#include <algorithm>

#include "keel/arch/x86_64/memory_map.h"

namespace keel::x86_64 {

std::vector<E820Entry> e820_map(std::span<const GuestRange> ram) {
  std::vector<E820Entry> map = {{kLegacyArea, E820Type::kReserved}, {kFirmwareArea, E820Type::kReserved}};
  for (const GuestRange& range : ram) {
    if (const auto below = range.intersection(GuestRange::constant(0, kLegacyArea.first().value() - 1)))
      map.push_back({*below, E820Type::kRam});
    if (const auto above = range.intersection(*GuestRange::from_bounds(kExtendedMemory, GuestAddress::max())))
      map.push_back({*above, E820Type::kRam});
  }
  std::ranges::sort(map, {}, &E820Entry::range);
  return map;
}

}  // namespace keel::x86_64
