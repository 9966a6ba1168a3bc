// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/port_exits.h"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "keel/base/check.h"

namespace keel {
namespace {

constexpr std::size_t kPorts = 1 << 16;
constexpr std::size_t kBytes = 2 * kPorts * sizeof(std::atomic<std::uint64_t>);

}  // namespace

PortExitCounter::PortExitCounter() {
  void* const memory =
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check(memory != MAP_FAILED, "no address space for a vCPU's counters");
  ::madvise(memory, kBytes,
            MADV_NOHUGEPAGE);  // a first count must not take 2 MiB; without huge pages it fails, rightly
  cells_ = static_cast<std::atomic<std::uint64_t>*>(memory);  // zero pages hold counters of zero
}

PortExitCounter::~PortExitCounter() {
  ::munmap(cells_, kBytes);
}

std::vector<PortExits> sum(std::span<const PortExitCounter* const> counters) {
  std::vector<PortExits> exits;
  for (std::size_t port = 0; port < kPorts; ++port) {
    PortExits of{.port = PioAddress(static_cast<std::uint16_t>(port))};
    for (const PortExitCounter* counter : counters) {
      of.reads += counter->cells_[2 * port].load(std::memory_order_relaxed);
      of.writes += counter->cells_[2 * port + 1].load(std::memory_order_relaxed);
    }
    if (of.total() != 0) exits.push_back(of);
  }
  std::ranges::sort(exits, {}, [](const PortExits& of) { return std::pair(~of.total(), of.port); });
  return exits;
}

}  // namespace keel
