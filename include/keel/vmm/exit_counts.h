// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace keel {

enum class ExitKind : std::uint8_t {
  kPioRead,
  kPioWrite,
  kMmioRead,
  kMmioWrite,
  kHalt,
  kInterrupted,
  kShutdown,
  kFailure
};

inline constexpr std::array<std::string_view, 8> kExitKindNames = {"PIO read", "PIO write",   "MMIO read", "MMIO write",
                                                                   "halt",     "interrupted", "shutdown",  "failure"};

// How often the guest was left, by kind.
struct ExitCounts {
  std::array<std::uint64_t, kExitKindNames.size()> by_kind = {};

  [[nodiscard]] std::uint64_t operator[](ExitKind kind) const noexcept {
    return by_kind[static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] std::uint64_t total() const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : by_kind) sum += count;
    return sum;
  }
  ExitCounts& operator+=(const ExitCounts& other) noexcept {
    for (std::size_t i = 0; i < by_kind.size(); ++i) by_kind[i] += other.by_kind[i];
    return *this;
  }
};

}  // namespace keel
