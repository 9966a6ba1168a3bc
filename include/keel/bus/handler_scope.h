// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>

namespace keel {

namespace detail {
// How many HandlerScopes the calling thread is inside of. Its address names the thread.
extern constinit thread_local std::uint32_t handler_depth;
}  // namespace detail

// Whether the calling thread is inside a device's I/O handler, holds a device through Locked::with_lock, or runs the
// destructor of a device that the manager released. There, waiting until no access is inside a device could wait for
// oneself, so nothing in Keel does: it is deferred.
[[nodiscard]] bool in_io_handler() noexcept;

// Makes in_io_handler() true for the length of a block. Nests.
class HandlerScope {
 public:
  HandlerScope() noexcept { ++detail::handler_depth; }
  ~HandlerScope() { --detail::handler_depth; }
  HandlerScope(const HandlerScope&) = delete;
  HandlerScope& operator=(const HandlerScope&) = delete;
};

}  // namespace keel
