// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/memory_map.h"

#include <algorithm>

#include "keel/base/check.h"

namespace keel::x86_64 {
namespace {

constexpr std::uint64_t kPageSize = 0x1000;
constexpr std::uint64_t kHole = kHighRamStart.value() - kLowRam.size();

GuestRange checked(GuestAddress base, std::uint64_t size) {
  const auto range = GuestRange::from_size(base, size);
  check(range.has_value(), "RAM of a size that check_memory_size() refuses");
  return *range;
}

}  // namespace

std::uint64_t max_memory(unsigned physical_address_bits) noexcept {
  check(physical_address_bits >= 36 && physical_address_bits <= 52, "physical address bits beyond x86-64's");
  return (std::uint64_t{1} << physical_address_bits) - kHole - kMinMmioWindow64;
}

Result<void> check_memory_size(std::uint64_t memory_size, unsigned physical_address_bits) {
  if (memory_size < kMinMemory) {
    return fail(ErrorCode::kInvalidArgument, "{:#x} bytes of memory are too little: a machine has at least {} MiB",
                memory_size, kMinMemory / kMiB);
  }
  const std::uint64_t most = max_memory(physical_address_bits);
  if (memory_size > most) {
    return fail(ErrorCode::kInvalidArgument,
                "{} MiB of memory are too much: {} physical address bits hold at most {} MiB beside the devices",
                memory_size / kMiB + (memory_size % kMiB != 0 ? 1 : 0), physical_address_bits, most / kMiB);
  }
  if (memory_size % kPageSize != 0) {
    return fail(ErrorCode::kInvalidArgument, "{:#x} bytes of memory are not whole pages; the next size up is {:#x}",
                memory_size, memory_size / kPageSize * kPageSize + kPageSize);
  }
  return {};
}

std::vector<GuestRange> ram_ranges(std::uint64_t memory_size) {
  const std::uint64_t low_size = std::min(memory_size, kLowRam.size());
  std::vector<GuestRange> ranges = {checked(kLowRam.first(), low_size)};
  if (memory_size > low_size) ranges.push_back(checked(kHighRamStart, memory_size - low_size));
  return ranges;
}

MmioRange mmio_window64(std::uint64_t memory_size, unsigned physical_address_bits) {
  check(memory_size <= max_memory(physical_address_bits), "more RAM than check_memory_size() allows");
  const std::uint64_t ram_end = std::max(memory_size + kHole, kHighRamStart.value());
  const MmioAddress first((ram_end + kGiB - 1) / kGiB * kGiB);
  const MmioAddress last((std::uint64_t{1} << physical_address_bits) - 1);
  return MmioRange::from_bounds(first, last).value();
}

}  // namespace keel::x86_64
