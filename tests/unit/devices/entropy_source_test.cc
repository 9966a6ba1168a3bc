// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/entropy_source.h"

#include <array>

#include <gtest/gtest.h>

namespace keel {
namespace {

TEST(HostEntropyTest, FillsAllAndNeverTheSame) {
  HostEntropy entropy;
  std::array<std::uint8_t, 1000> a{};
  std::array<std::uint8_t, 1000> b{};
  EXPECT_EQ(entropy.fill(a), a.size());
  EXPECT_EQ(entropy.fill(b), b.size());
  EXPECT_NE(a, b);
  EXPECT_EQ(entropy.fill({}), 0u);
}

}  // namespace
}  // namespace keel
