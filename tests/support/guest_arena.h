// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "keel/base/check.h"
#include "keel/base/range.h"
#include "keel/memory/guest_memory.h"

namespace keel {

// A guest's page allocator: hands out pieces of its RAM, lowest first, and takes none back.
class GuestArena {
 public:
  // `range` lies in one region of `memory`, which outlives this.
  GuestArena(const GuestMemory& memory, GuestRange range) : memory_(memory), range_(range), next_(range.first()) {}

  [[nodiscard]] GuestAddress take(std::uint64_t size, std::uint64_t alignment = 16) {
    const GuestAddress at((next_.value() + alignment - 1) / alignment * alignment);
    check(size != 0 && at.value() + size - 1 <= range_.last().value(), "the test's arena is too small");
    next_ = GuestAddress(at.value() + size);
    return at;
  }
  [[nodiscard]] GuestAddress put(std::span<const std::uint8_t> bytes) {
    const GuestAddress at = take(bytes.size());
    check(memory_.write(at, bytes).has_value(), "the test's arena is RAM");
    return at;
  }
  [[nodiscard]] std::vector<std::uint8_t> bytes(GuestAddress at, std::size_t size) const {
    std::vector<std::uint8_t> copy(size);
    check(memory_.read(at, copy).has_value(), "the test reads RAM");
    return copy;
  }
  [[nodiscard]] const GuestMemory& memory() const { return memory_; }

 private:
  const GuestMemory& memory_;
  const GuestRange range_;
  GuestAddress next_;
};

}  // namespace keel
