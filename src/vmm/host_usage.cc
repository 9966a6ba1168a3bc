// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/host_usage.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <memory>

namespace keel {
namespace {

bool is_guest_memory(std::uint64_t first, const GuestMemory& memory) {
  return std::ranges::any_of(memory.regions(), [first](const MemoryRegion& region) {
    const auto begin = reinterpret_cast<std::uintptr_t>(region.host);
    return first >= begin && first - begin <= region.range.last_offset();
  });
}

}  // namespace

Result<HostUsage> measure_host_usage(const GuestMemory& memory) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Close> maps(std::fopen("/proc/self/smaps", "re"));
  if (!maps) return std::unexpected(system_error(errno, "open /proc/self/smaps"));

  HostUsage usage;
  bool guest = false;
  char line[512];
  while (std::fgets(line, sizeof(line), maps.get()) != nullptr) {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    std::uint64_t kibibytes = 0;
    if (std::sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &first, &end) == 2) {  // NOLINT(cert-err34-c)
      guest = is_guest_memory(first, memory);
    } else if (std::sscanf(line, "Rss: %" SCNu64 " kB", &kibibytes) == 1) {  // NOLINT(cert-err34-c)
      (guest ? usage.guest : usage.beyond_guest) += kibibytes << 10;
    }
  }
  return usage;
}

}  // namespace keel
