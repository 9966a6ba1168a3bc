// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include "keel/interrupt/interrupt.h"

namespace keel::testing {

// A level-triggered line that remembers its state and counts its rising edges; refuse() makes it fail as a host may.
class FakeLevelInterrupt final : public LevelInterrupt {
 public:
  Result<void> raise() override {
    if (refuses_) return fail(ErrorCode::kIo, "fake interrupt refuses");
    ++calls_;
    if (!high_) ++edges_;
    high_ = true;
    return {};
  }
  Result<void> lower() override {
    if (refuses_) return fail(ErrorCode::kIo, "fake interrupt refuses");
    ++calls_;
    high_ = false;
    return {};
  }

  [[nodiscard]] bool is_high() const noexcept { return high_; }
  // Times the line went from low to high.
  [[nodiscard]] int edges() const noexcept { return edges_; }
  // All calls that succeeded: system calls, on a real host.
  [[nodiscard]] int calls() const noexcept { return calls_; }
  void refuse() noexcept { refuses_ = true; }
  void accept() noexcept { refuses_ = false; }

 private:
  bool high_ = false;
  bool refuses_ = false;
  int edges_ = 0;
  int calls_ = 0;
};

class FakeEdgeInterrupt final : public EdgeInterrupt {
 public:
  Result<void> trigger() override {
    ++edges_;
    return {};
  }
  [[nodiscard]] int edges() const noexcept { return edges_; }

 private:
  int edges_ = 0;
};

}  // namespace keel::testing
