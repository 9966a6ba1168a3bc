// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <chrono>

namespace keel {

// Time, handed in so that a test can own it. Callable from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall-clock time, UTC; may jump when the host's clock is set.
  [[nodiscard]] virtual std::chrono::system_clock::time_point now() const = 0;
  // Never goes back; its zero is arbitrary.
  [[nodiscard]] virtual std::chrono::nanoseconds monotonic() const = 0;
};

// The host's clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point now() const override { return std::chrono::system_clock::now(); }
  [[nodiscard]] std::chrono::nanoseconds monotonic() const override {
    return std::chrono::steady_clock::now().time_since_epoch();
  }
};

}  // namespace keel
