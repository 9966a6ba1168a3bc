// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/lease.h"

#include <optional>
#include <thread>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include "keel/resource/address_allocator.h"
#include "keel/resource/id_allocator.h"

namespace keel {
namespace {

using Mmio = AddressAllocator<MmioAddress>;
using Gsis = IdAllocator<Gsi>;

static_assert(Leasable<Mmio> && Leasable<Gsis> && !Leasable<int>);
static_assert(!std::is_copy_constructible_v<Lease<Mmio>> && std::is_nothrow_move_constructible_v<Lease<Mmio>>);

constexpr MmioRange kWindow = MmioRange::constant(0xd000'0000, 0xd000'ffff);

LeasePool<Mmio> window() {
  return LeasePool<Mmio>(Mmio("mmio", kWindow));
}
std::uint64_t allocations(const LeasePool<Mmio>& pool) {
  return pool.inspect([](const Mmio& mmio) { return mmio.allocation_count(); });
}

TEST(Lease, FreesItselfWhenDropped) {
  LeasePool<Mmio> pool = window();
  {
    const auto lease = pool.allocate({.size = 0x1000, .owner = "net0"}).value();
    EXPECT_EQ(lease.value(), MmioRange::constant(0xd000'0000, 0xd000'0fff));
    EXPECT_EQ(allocations(pool), 1u);
  }
  EXPECT_EQ(allocations(pool), 0u);
}

TEST(Lease, MovesAndFreesOnce) {
  LeasePool<Mmio> pool = window();
  auto a = pool.allocate({.size = 0x1000}).value();
  Lease<Mmio> b = std::move(a);
  EXPECT_TRUE(b);
  EXPECT_EQ(allocations(pool), 1u);
  auto c = pool.allocate({.size = 0x1000}).value();
  c = std::move(b);
  EXPECT_EQ(allocations(pool), 1u);
  EXPECT_EQ(c.value().first(), MmioAddress(0xd000'0000));
  c.reset();
  c.reset();
  EXPECT_FALSE(c);
  EXPECT_EQ(allocations(pool), 0u);
}

TEST(Lease, ReleaseHandsTheDutyOver) {
  LeasePool<Gsis> pool(Gsis("gsi", IdRange<Gsi>::constant(5, 7)));
  auto lease = pool.allocate({.count = 2}).value();
  const IdRange<Gsi> run = lease.release();
  EXPECT_FALSE(lease);
  lease.reset();
  EXPECT_EQ(pool.inspect([](const Gsis& gsis) { return gsis.taken_count(); }), 2u);
  EXPECT_TRUE(pool.free(run));
  EXPECT_FALSE(pool.free(run));
}

TEST(Lease, UpdatesInPlaceOrNotAtAll) {
  LeasePool<Mmio> pool = window();
  auto a = pool.allocate({.size = 0x1000, .owner = "a"}).value();
  const auto b = pool.allocate({.size = 0x1000, .owner = "b"}).value();
  EXPECT_FALSE(a.update(b.value()));
  EXPECT_EQ(a.value().first(), MmioAddress(0xd000'0000));
  EXPECT_TRUE(a.update(MmioRange::constant(0xd000'2000, 0xd000'2fff)));
  EXPECT_EQ(a.value().first(), MmioAddress(0xd000'2000));

  LeasePool<Gsis> gsis(Gsis("gsi", IdRange<Gsi>::constant(5, 7)));
  auto gsi = gsis.allocate({}).value();
  EXPECT_TRUE(gsi.update(IdRange<Gsi>::constant(5, 6)));
  EXPECT_FALSE(gsi.update(IdRange<Gsi>::constant(7, 8)));
  EXPECT_EQ(gsi.value(), (IdRange<Gsi>::constant(5, 6)));
}

TEST(Lease, OutlivesThePool) {
  std::optional<LeasePool<Mmio>> pool = window();
  auto lease = pool->allocate({.size = 0x1000}).value();
  pool.reset();
  EXPECT_TRUE(lease.update(MmioRange::constant(0xd000'2000, 0xd000'2fff)));
  lease.reset();
  EXPECT_FALSE(lease);
}

TEST(Lease, IsRefusedWithTheAllocatorsReason) {
  LeasePool<Gsis> pool(Gsis("gsi", IdRange<Gsi>::constant(5, 5)));
  const auto lease = pool.allocate({}).value();
  EXPECT_EQ(pool.allocate({}).error().message(),
            "no gsi is left: all 1 of [5, 5] are taken; free one or widen the range");
}

// Under ThreadSanitizer this is the proof that the lock policy guards everything.
TEST(Lease, OfALockedPoolMayLiveOnSeveralThreads) {
  LeasePool<Mmio, Mutex> pool(Mmio("mmio", kWindow));
  const auto churn = [&pool] {
    std::vector<Lease<Mmio, Mutex>> held;
    for (int i = 0; i < 2000; ++i) {
      if (auto lease = pool.allocate({.size = 0x100, .owner = i % 2 == 0 ? "a" : "b"}))
        held.push_back(std::move(*lease));
      if (held.size() > 16) held.erase(held.begin());
    }
  };
  {
    const std::jthread one(churn);
    const std::jthread two(churn);
  }
  EXPECT_EQ(pool.inspect([](const Mmio& mmio) { return mmio.holes(); }), std::vector{kWindow});
}

}  // namespace
}  // namespace keel
