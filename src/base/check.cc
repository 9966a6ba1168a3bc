// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace keel {

void panic(std::string_view reason, std::source_location where) noexcept {
  std::fprintf(stderr, "keel: broken invariant at %s:%u: %.*s\n", where.file_name(),
               static_cast<unsigned>(where.line()), static_cast<int>(reason.size()), reason.data());
  std::abort();
}

}  // namespace keel
