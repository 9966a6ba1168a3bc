// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "keel/base/mutex.h"

namespace keel::detail {

struct Route;

// Slots for a table, or for a part of one. Uninitialised.
struct SlotArray {
  std::unique_ptr<Route[]> slots;
  std::size_t capacity = 0;
};

// Keeps a few large arrays of discarded tables for the next ones: returned to the heap, their pages would go back to
// the kernel and be faulted in again with every change. Callable from any thread.
class SlotPool {
 public:
  [[nodiscard]] SlotArray take(std::size_t count);
  void give(SlotArray array) noexcept;

 private:
  // Arrays smaller than this the heap handles well.
  static constexpr std::size_t kLeast = 512;
  static constexpr std::size_t kMostSpares = 4;

  Mutex mutex_;  // innermost, as that of Books
  std::vector<SlotArray> spares_ KEEL_GUARDED_BY(mutex_);
};

}  // namespace keel::detail
