// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <chrono>

#include "keel/base/clock.h"

namespace keel::testing {

// Time that stands still until the test moves it.
class FakeClock final : public Clock {
 public:
  FakeClock() = default;
  explicit FakeClock(std::chrono::system_clock::time_point now) : wall_(now) {}

  [[nodiscard]] std::chrono::system_clock::time_point now() const override { return wall_; }
  [[nodiscard]] std::chrono::nanoseconds monotonic() const override { return monotonic_; }

  // Both clocks move on. Precondition: by >= 0.
  void advance(std::chrono::nanoseconds by) {
    wall_ = wall_.load() + by;
    monotonic_ = monotonic_.load() + by;
  }
  // Somebody sets the host's clock: only the wall clock jumps.
  void set_wall(std::chrono::system_clock::time_point now) { wall_ = now; }

 private:
  std::atomic<std::chrono::system_clock::time_point> wall_{};
  std::atomic<std::chrono::nanoseconds> monotonic_{};
};

}  // namespace keel::testing
