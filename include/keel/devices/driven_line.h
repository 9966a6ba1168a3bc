// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>

#include "keel/interrupt/interrupt.h"

namespace keel {

enum class LineLevel : std::uint8_t { kLow, kHigh };

// A device's end of its interrupt line: passes changes on and nothing else, so that driving it after every access costs
// no system call. Where the host refuses a change, the next drive() tries again. One thread at a time.
class DrivenLine {
 public:
  // `interrupt` must outlive this and be low.
  explicit DrivenLine(LevelInterrupt& interrupt) noexcept : interrupt_(interrupt) {}

  void drive(LineLevel level) {
    if (level == level_) return;
    const Result<void> changed = level == LineLevel::kHigh ? interrupt_.raise() : interrupt_.lower();
    if (changed) level_ = level;
  }

 private:
  LevelInterrupt& interrupt_;
  LineLevel level_ = LineLevel::kLow;
};

}  // namespace keel
