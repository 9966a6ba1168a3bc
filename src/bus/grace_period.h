// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "keel/bus/handler_scope.h"

namespace keel::detail {

// At rest once nobody holds what was removed.
class GracePeriod {
 public:
  explicit GracePeriod(std::vector<std::weak_ptr<const void>> removed) : removed_(std::move(removed)) {}

  [[nodiscard]] bool done() const noexcept {
    return std::ranges::all_of(removed_, [](const auto& entry) { return entry.expired(); });
  }
  bool wait() const {
    if (in_io_handler()) return done();
    while (!done()) std::this_thread::sleep_for(std::chrono::microseconds(50));
    return true;
  }

 private:
  const std::vector<std::weak_ptr<const void>> removed_;
};

}  // namespace keel::detail
