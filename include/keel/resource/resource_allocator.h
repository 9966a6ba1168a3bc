// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <concepts>
#include <optional>

#include "keel/base/error.h"

namespace keel {

// What every allocator of a kind of resource does, whether Keel or a VMM wrote it. T names the place (an address, an
// id), Size says how much of it. examples/custom_resource.cc adds a kind of its own.
//
// - allocate(at, size): takes `size` from `at` on, or wherever the allocator's policy says when `at` is empty; the
//   result is the first place taken. A failure changes nothing.
// - free(at, size): gives back what allocate took. A failure (nothing there, freed twice) changes nothing.
// - update(old, old_size, now, size): gives up `old` (when there is one) and takes `now`, as one step: on failure `old`
//   is still taken and nothing else changed. The two may overlap. An empty old_size means all that was taken at `old`
//   where the allocator remembers that.
//
// Thread safety is the composer's choice: allocators lock nothing themselves (see lease.h and system_allocator.h).
template <typename Allocator, typename T, typename Size>
concept ResourceAllocator = std::totally_ordered<T> && requires(Allocator& allocator, std::optional<T> maybe,
                                                                std::optional<Size> maybe_size, T at, Size size) {
  { allocator.allocate(maybe, size) } -> std::same_as<Result<T>>;
  { allocator.free(at, size) } -> std::same_as<Result<void>>;
  { allocator.update(maybe, maybe_size, at, size) } -> std::same_as<Result<T>>;
};

}  // namespace keel
