// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <source_location>
#include <string_view>

namespace keel {

// Ends the process with the reason on standard error. For broken invariants of Keel's own, never for input.
[[noreturn]] void panic(std::string_view reason, std::source_location where = std::source_location::current()) noexcept;

// Aborts with `reason` unless `condition` holds.
inline void check(bool condition, std::string_view reason,
                  std::source_location where = std::source_location::current()) noexcept {
  if (!condition) [[unlikely]]
    panic(reason, where);
}

}  // namespace keel
