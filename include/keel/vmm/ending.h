// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keel {

// How a machine came to its end.
enum class EndReason : std::uint8_t {
  kPowerOff,  // the guest switched itself off (ACPI S5)
  kReset,     // the guest asked for a restart
  kPanic,     // the guest's kernel panicked
  kCrash,     // a triple fault
  kStopped,   // the host's user or program asked
  kFailed,    // the host could not go on
};

struct Ending {
  EndReason reason = EndReason::kStopped;
  // One line for people.
  std::string detail;
};

// Status of a process that ran one machine, 0 for power-off. README.md lists them.
[[nodiscard]] constexpr int exit_status(EndReason reason) noexcept {
  switch (reason) {
    case EndReason::kPowerOff: return 0;
    case EndReason::kFailed: return 1;
    case EndReason::kReset: return 3;
    case EndReason::kPanic: return 4;
    case EndReason::kCrash: return 5;
    case EndReason::kStopped: return 6;
  }
  return 1;
}

// Of the process where the command line, or a file it names, is wrong.
inline constexpr int kWrongUseStatus = 2;

}  // namespace keel
