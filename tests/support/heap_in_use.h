// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <malloc.h>

#include <cstddef>

namespace keel::testing {

// Bytes that this process holds of malloc(3)'s. Under a sanitizer, which brings a heap of its own, always the same.
inline std::size_t heap_in_use() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace keel::testing
