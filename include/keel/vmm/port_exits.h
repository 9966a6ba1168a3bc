// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "keel/base/address.h"

namespace keel {

// How often the guest was left for one port. A string instruction that is served by one exit counts once.
struct PortExits {
  PioAddress port{0};
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;

  [[nodiscard]] std::uint64_t total() const noexcept { return reads + writes; }
  friend bool operator==(const PortExits&, const PortExits&) = default;
};

// One vCPU's exits by port. Written by its thread alone, read by any; takes memory for the ports that are used.
class PortExitCounter {
 public:
  PortExitCounter();
  ~PortExitCounter();
  PortExitCounter(const PortExitCounter&) = delete;
  PortExitCounter& operator=(const PortExitCounter&) = delete;

  void count_read(PioAddress port) noexcept { increment(cells_[2 * std::size_t{port.value()}]); }
  void count_write(PioAddress port) noexcept { increment(cells_[2 * std::size_t{port.value()} + 1]); }

 private:
  friend std::vector<PortExits> sum(std::span<const PortExitCounter* const> counters);

  static void increment(std::atomic<std::uint64_t>& cell) noexcept {
    cell.store(cell.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  std::atomic<std::uint64_t>* cells_;  // a read and a write per port
};

// The ports that had exits on any of these vCPUs, the busiest first, then by number.
[[nodiscard]] std::vector<PortExits> sum(std::span<const PortExitCounter* const> counters);

}  // namespace keel
