// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/resource_allocator.h"

#include <cstdint>

#include <gtest/gtest.h>

#include "keel/base/address.h"
#include "keel/resource/id_allocator.h"

namespace keel {
namespace {

static_assert(ResourceAllocator<IdAllocator<Gsi>, Gsi, std::uint64_t>);
static_assert(ResourceAllocator<IdAllocator<std::uint16_t>, std::uint16_t, std::uint64_t>);

// The twin that must not satisfy it: free() says nothing about failure.
struct Forgetful {
  Result<int> allocate(std::optional<int>, int size) { return size; }
  void free(int, int) {}
  Result<int> update(std::optional<int>, std::optional<int>, int now, int) { return now; }
};
struct Complete : Forgetful {
  Result<void> free(int, int) { return {}; }
};
static_assert(!ResourceAllocator<Forgetful, int, int>);
static_assert(ResourceAllocator<Complete, int, int>);

// Code written against the contract alone moves a resource without knowing its kind.
template <typename T, ResourceAllocator<T, std::uint64_t> Allocator>
Result<T> move_by_contract(Allocator& allocator, T from, T to) {
  return allocator.update(from, 1, to, 1);
}

TEST(ResourceAllocator, LetsCodeIgnoreTheKind) {
  IdAllocator<Gsi> gsis("gsi", IdRange<Gsi>::constant(0, 23));
  const Gsi at = gsis.allocate().value();
  EXPECT_EQ(move_by_contract(gsis, at, Gsi(9)).value(), Gsi(9));
  EXPECT_FALSE(gsis.is_taken(at));
  EXPECT_TRUE(gsis.is_taken(Gsi(9)));
}

}  // namespace
}  // namespace keel
