// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <string_view>

#include "keel/base/error.h"

namespace keel {

// Where a test makes a step fail that hardly fails by itself, to see that everything before it is undone. Called before
// the step has changed anything, under the lock of whoever takes the step: it must not call back.
class FaultInjector {
 public:
  virtual ~FaultInjector() = default;
  // `step` says what is about to happen: "any irq", "instance id". An error becomes the step's.
  virtual Result<void> before(std::string_view step) = 0;
};

}  // namespace keel
