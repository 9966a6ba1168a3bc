// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/handler_scope.h"

namespace keel::detail {

constinit thread_local std::uint32_t handler_depth = 0;

}  // namespace keel::detail
