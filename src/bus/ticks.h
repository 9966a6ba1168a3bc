// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <chrono>
#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace keel::detail {

// The processor's own clock: constant rate, a few nanoseconds to read.
inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  std::uint64_t value;
  asm volatile("mrs %0, cntvct_el0" : "=r"(value));
  return value;
#else
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

// Learns the rate of ticks() against the steady clock, over its own lifetime.
class TickScale {
 public:
  [[nodiscard]] double nanoseconds_per_tick() const noexcept {
    const auto elapsed = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start_);
    const auto elapsed_ticks = static_cast<double>(ticks() - start_ticks_);
    return elapsed_ticks > 0 ? elapsed.count() / elapsed_ticks : 0;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::uint64_t start_ticks_ = ticks();
};

}  // namespace keel::detail
