// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/handler_scope.h"

#include "src/bus/rcu.h"

namespace keel {

constinit thread_local std::uint32_t detail::handler_depth = 0;

// A dispatch is a read-side section of RCU and counts itself there.
bool in_io_handler() noexcept {
  return detail::handler_depth != 0 || detail::rcu::read_depth() != 0;
}

}  // namespace keel
