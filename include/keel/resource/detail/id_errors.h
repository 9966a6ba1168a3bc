// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <string>

#include "keel/base/error.h"
#include "keel/resource/detail/id_bitmap.h"

// What IdAllocator says when it refuses, apart from the template so that it is compiled once.
namespace keel::detail {

struct IdNames {
  const std::string& kind;
  std::uint64_t first;
  std::uint64_t last;
};

Error id_count_zero(const IdNames& names);
// `last` is clamped to what can be said: ~0 stands for "beyond any id".
Error id_outside(const IdNames& names, std::uint64_t first, std::uint64_t last);
// `index` is counted from names.first.
Error id_taken(const IdNames& names, const IdBitmap& taken, std::uint64_t index);
Error id_not_taken(const IdNames& names, std::uint64_t id);
Error ids_exhausted(const IdNames& names, const IdBitmap& taken, std::uint64_t count, IdBitmap::Span where);

}  // namespace keel::detail
