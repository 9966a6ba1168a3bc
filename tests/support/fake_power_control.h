// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "keel/devices/power_control.h"

namespace keel::testing {

// Remembers who asked for what.
class FakePowerControl final : public PowerControl {
 public:
  void request_reset(std::string_view source) override { resets_.emplace_back(source); }
  void request_power_off(std::string_view source) override { power_offs_.emplace_back(source); }

  [[nodiscard]] const std::vector<std::string>& resets() const noexcept { return resets_; }
  [[nodiscard]] const std::vector<std::string>& power_offs() const noexcept { return power_offs_; }

 private:
  std::vector<std::string> resets_;
  std::vector<std::string> power_offs_;
};

}  // namespace keel::testing
