// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>

#include "keel/base/error.h"
#include "keel/memory/guest_memory.h"

namespace keel {

// What this process holds in memory, from /proc/self/smaps. Bytes.
struct HostUsage {
  std::uint64_t guest = 0;         // resident pages that are the guest's RAM
  std::uint64_t beyond_guest = 0;  // all other resident pages, code and libraries included
};

[[nodiscard]] Result<HostUsage> measure_host_usage(const GuestMemory& memory);

}  // namespace keel
