// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/port_exits.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr PioAddress port(std::uint16_t at) {
  return PioAddress(at);
}

TEST(PortExits, OfNobodyAreNone) {
  EXPECT_THAT(sum({}), IsEmpty());
  const PortExitCounter idle;
  EXPECT_THAT(sum(std::array<const PortExitCounter*, 1>{&idle}), IsEmpty());
}

TEST(PortExits, AddUpOverVcpusBusiestFirst) {
  PortExitCounter first, second;
  first.count_read(port(0x3fd));
  first.count_write(port(0x3f8));
  second.count_write(port(0x3f8));
  second.count_read(port(0x3f8));
  second.count_read(port(0x71));
  EXPECT_THAT(sum(std::array<const PortExitCounter*, 2>{&first, &second}),
              ElementsAre(PortExits{port(0x3f8), 1, 2}, PortExits{port(0x71), 1, 0}, PortExits{port(0x3fd), 1, 0}));
}

TEST(PortExits, ReachFromTheFirstPortToTheLast) {
  PortExitCounter counter;
  counter.count_read(port(0));
  counter.count_write(port(0xffff));
  EXPECT_THAT(sum(std::array<const PortExitCounter*, 1>{&counter}),
              ElementsAre(PortExits{port(0), 1, 0}, PortExits{port(0xffff), 0, 1}));
}

}  // namespace
}  // namespace keel
