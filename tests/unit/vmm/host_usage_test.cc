// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/host_usage.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include <gtest/gtest.h>

namespace keel {
namespace {

constexpr std::size_t kPage = 4096;

// One page below the guest's memory and one above it, of the kind that the kernel would join with it.
TEST(HostUsage, TellsTheGuestsPagesFromTheirNeighbours) {
  const GuestRange ram[] = {GuestRange::constant(0, 0xf'ffff)};
  const auto memory = GuestMemory::create(ram);
  ASSERT_TRUE(memory.has_value());
  std::uint8_t* const host = memory->regions()[0].host;
  const auto map_at = [](std::uint8_t* at) {
    return ::mmap(at, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  };
  void* const below = map_at(host - kPage);
  void* const above = map_at(host + 0x10'0000);

  for (std::size_t page = 0; page < 100; ++page) host[page * kPage] = 1;
  const auto usage = measure_host_usage(*memory);
  ASSERT_TRUE(usage.has_value()) << usage.error().message();
  EXPECT_EQ(usage->guest, 100 * kPage);
  EXPECT_GT(usage->beyond_guest, 0u);
  ::munmap(below, kPage);
  ::munmap(above, kPage);
}

}  // namespace
}  // namespace keel
