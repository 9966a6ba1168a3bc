// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "keel/resource/fault_injector.h"

namespace keel::test {

// Lets steps pass until the one that arm() chose, which fails once with "injected"; remembers the steps since then.
class FailAtStep final : public FaultInjector {
 public:
  static constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

  void arm(std::size_t step) {
    fail_at_ = step;
    steps_.clear();
  }
  Result<void> before(std::string_view step) override {
    steps_.emplace_back(step);
    if (steps_.size() - 1 != fail_at_) return {};
    return fail(ErrorCode::kIo, "injected");
  }
  [[nodiscard]] const std::vector<std::string>& steps() const noexcept { return steps_; }

 private:
  std::size_t fail_at_ = kNever;
  std::vector<std::string> steps_;
};

}  // namespace keel::test
