// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "keel/base/error.h"

namespace keel {

// A Linux kernel's command line in the making (Documentation/admin-guide/kernel-parameters.rst): words with a blank
// between. What would not reach the kernel as it was meant is refused, each with its own message, and changes nothing.
class KernelCmdline {
 public:
  // `capacity`: the most bytes that it may have, without the zero that ends it.
  explicit KernelCmdline(std::size_t capacity) noexcept : capacity_(capacity) {}

  // Appends `key=value`, so both without blanks and the key without '='. Errors: kInvalidArgument, kExhausted.
  Result<void> insert(std::string_view key, std::string_view value);
  // Appends words as they are. Errors: kInvalidArgument for what is no printable ASCII, kExhausted.
  Result<void> append(std::string_view words);

  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  Result<void> add(std::string_view words);

  const std::size_t capacity_;
  std::string text_;
};

}  // namespace keel
