// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace keel {

// Finds the way out in what is typed at the guest's console: Ctrl-A x leaves, Ctrl-A Ctrl-A sends one Ctrl-A, Ctrl-A
// with any other key sends both. The same keys as QEMU's and kvmtool's.
class EscapeFilter {
 public:
  static constexpr std::uint8_t kEscape = 0x01;  // Ctrl-A

  struct Filtered {
    std::size_t size = 0;  // bytes of `out` that are for the guest
    enum class Wish : std::uint8_t { kNone, kLeave } wish = Wish::kNone;
  };

  // Filters `in` into `out`, which must hold in.size() + 1 bytes: an escape kept back by the last call may come on top.
  // Stops at the wish to leave.
  [[nodiscard]] Filtered filter(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) noexcept {
    Filtered result;
    for (const std::uint8_t key : in) {
      if (!escaped_) {
        if (key == kEscape)
          escaped_ = true;
        else
          out[result.size++] = key;
        continue;
      }
      escaped_ = false;
      if (key == 'x' || key == 'X') {
        result.wish = Filtered::Wish::kLeave;
        return result;
      }
      out[result.size++] = kEscape;
      if (key != kEscape) out[result.size++] = key;
    }
    return result;
  }

 private:
  bool escaped_ = false;  // the last key was Ctrl-A
};

}  // namespace keel
