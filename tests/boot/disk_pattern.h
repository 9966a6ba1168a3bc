// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace keel::testing {

// What a test's disk holds, so that host and guest agree without talking: every block is different in every byte run,
// and depends on a seed.
inline constexpr std::size_t kPatternBlock = 4096;

inline void fill_pattern(std::span<std::uint8_t> block, std::uint64_t number, std::uint64_t seed) {
  std::uint64_t state = number * 0x9e37'79b9'7f4a'7c15 + seed * 0xbf58'476d'1ce4'e5b9 + 1;
  for (std::size_t i = 0; i < block.size(); ++i) {
    if (i % 8 == 0) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
    }
    block[i] = static_cast<std::uint8_t>(state >> (i % 8 * 8));
  }
}

}  // namespace keel::testing
