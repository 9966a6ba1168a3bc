// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace keel::detail {

// How a thread keeps the count of its reads or writes of a range, so that the low byte alone tells which are timed:
// each of the first 16, the last of 32, 64, 128 and 256, and every 256th after. One stands for all since the one
// before.
struct AccessCount {
  [[nodiscard]] static constexpr bool next_is_timed(std::uint64_t kept) noexcept { return kept % kStep == 0; }
  // For how many accesses the next one stands, where it is timed.
  [[nodiscard]] static constexpr std::uint64_t weight(std::uint64_t kept) noexcept {
    const std::uint64_t count = of(kept);
    return stood_for(count + 1) - stood_for(count);
  }
  // The accesses that are counted in `kept`, and the reverse.
  [[nodiscard]] static constexpr std::uint64_t of(std::uint64_t kept) noexcept {
    for (unsigned stretch = kLastStretch; stretch >= kFirstStretch; --stretch) {
      const std::uint64_t count = kept - lead(stretch);
      if (kept > lead(stretch) && count >= 1u << stretch) return count;
    }
    return kept / kStep;
  }
  [[nodiscard]] static constexpr std::uint64_t kept(std::uint64_t count) noexcept {
    if (count < kFirst) return count * kStep;
    return count + lead(std::min(static_cast<unsigned>(std::bit_width(count)) - 1, kLastStretch));
  }
  // Of `count` accesses, how many those that were timed stand for.
  [[nodiscard]] static constexpr std::uint64_t stood_for(std::uint64_t count) noexcept {
    if (count < kFirst) return count;
    return count < kStep ? std::bit_floor(count) : count / kStep * kStep;
  }

 private:
  static constexpr std::uint64_t kFirst = 16, kStep = 256;
  // From 2^stretch accesses on, what is kept grows by one with each, towards the next multiple of 256 at the end of the
  // stretch; the last stretch goes on for ever.
  static constexpr unsigned kFirstStretch = 4, kLastStretch = 7;
  static constexpr std::uint64_t lead(unsigned stretch) noexcept {
    return (kFirst + stretch - kFirstStretch) * kStep + 1 - (2u << stretch);
  }
};

}  // namespace keel::detail
