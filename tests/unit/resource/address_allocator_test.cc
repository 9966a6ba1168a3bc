// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/address_allocator.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "keel/resource/resource_allocator.h"

namespace keel {
namespace {

static_assert(ResourceAllocator<AddressAllocator<MmioAddress>, MmioAddress, std::uint64_t>);
static_assert(ResourceAllocator<AddressAllocator<PioAddress>, PioAddress, std::uint64_t>);

using Mmio = AddressAllocator<MmioAddress>;

constexpr MmioRange kWindow = MmioRange::constant(0xd000'0000, 0xd000'ffff);

MmioRange range(std::uint64_t first, std::uint64_t last) {
  return *MmioRange::from_bounds(MmioAddress(first), MmioAddress(last));
}

template <typename T>
std::string message(const Result<T>& result) {
  return result ? "success" : result.error().message();
}

TEST(AddressAllocator, FirstMatchIsTheLowestFittingAddress) {
  Mmio mmio("mmio", kWindow);
  EXPECT_EQ(mmio.allocate({.size = 0x1000}).value(), range(0xd000'0000, 0xd000'0fff));
  EXPECT_EQ(mmio.allocate({.size = 0x800}).value(), range(0xd000'1000, 0xd000'17ff));
  EXPECT_EQ(mmio.allocate({.size = 0x2000, .alignment = 0x2000}).value(), range(0xd000'2000, 0xd000'3fff));
  EXPECT_EQ(mmio.allocate({.size = 0x400}).value(), range(0xd000'1800, 0xd000'1bff));
  EXPECT_EQ(mmio.allocate({.size = 0x1000}).value(), range(0xd000'4000, 0xd000'4fff));
}

TEST(AddressAllocator, LastMatchIsTheHighestFittingAddress) {
  Mmio mmio("mmio", kWindow);
  EXPECT_EQ(mmio.allocate({.size = 0x800, .match = Match::kLast}).value(), range(0xd000'f800, 0xd000'ffff));
  EXPECT_EQ(mmio.allocate({.size = 0x1000, .alignment = 0x1000, .match = Match::kLast}).value(),
            range(0xd000'e000, 0xd000'efff));
  EXPECT_EQ(mmio.allocate({.size = 0x800, .match = Match::kLast}).value(), range(0xd000'f000, 0xd000'f7ff));
}

TEST(AddressAllocator, ExactMatchTakesTheAddressOrNothing) {
  Mmio mmio("mmio", kWindow);
  EXPECT_EQ(mmio.allocate({.size = 0x1000, .at = MmioAddress(0xd000'8000)}).value(), range(0xd000'8000, 0xd000'8fff));
  EXPECT_EQ(mmio.allocate(MmioAddress(0xd000'9000), 0x1000).value(), MmioAddress(0xd000'9000));
  // Strictly inside, off by one at either end, and around it.
  for (const MmioRange wanted : {range(0xd000'8400, 0xd000'84ff), range(0xd000'7fff, 0xd000'8000),
                                 range(0xd000'9fff, 0xd000'a000), range(0xd000'7000, 0xd000'afff)}) {
    EXPECT_EQ(mmio.allocate(wanted).error().code(), ErrorCode::kOverlap);
  }
  EXPECT_TRUE(mmio.allocate(range(0xd000'7fff, 0xd000'7fff)));
  EXPECT_TRUE(mmio.allocate(range(0xd000'a000, 0xd000'a000)));
}

TEST(AddressAllocator, RespectsBoundsAndAlignmentPerRequest) {
  Mmio mmio("mmio", kWindow);
  EXPECT_EQ(mmio.allocate({.size = 0x100, .alignment = 0x1000, .within = range(0xd000'0001, ~0ull)}).value(),
            range(0xd000'1000, 0xd000'10ff));
  EXPECT_EQ(mmio.allocate({.size = 0x100, .match = Match::kLast, .within = range(0, 0xd000'2000)}).value(),
            range(0xd000'1f01, 0xd000'2000));
  EXPECT_EQ(mmio.allocate({.size = 2, .within = range(0xd000'10ff, 0xd000'1100)}).error().code(),
            ErrorCode::kExhausted);
}

TEST(AddressAllocator, FreedNeighboursMerge) {
  Mmio mmio("mmio", kWindow);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(mmio.allocate({.size = 1}));
  EXPECT_TRUE(mmio.free(MmioAddress(0xd000'0001), 1));
  EXPECT_TRUE(mmio.free(MmioAddress(0xd000'0003), 1));
  EXPECT_EQ(mmio.holes(), (std::vector{range(0xd000'0001, 0xd000'0001), range(0xd000'0003, 0xd000'ffff)}));
  EXPECT_TRUE(mmio.free(MmioAddress(0xd000'0002), 1));
  EXPECT_EQ(mmio.holes(), (std::vector{range(0xd000'0001, 0xd000'ffff)}));
  EXPECT_TRUE(mmio.free(MmioAddress(0xd000'0000), 1));
  EXPECT_EQ(mmio.holes(), std::vector{kWindow});
  EXPECT_EQ(mmio.free_count(), 0x10000u);
}

TEST(AddressAllocator, FreeWantsExactlyWhatWasAllocated) {
  Mmio mmio("mmio", kWindow);
  ASSERT_TRUE(mmio.allocate({.size = 0x1000, .owner = "blk0"}));
  ASSERT_TRUE(mmio.allocate({.size = 0x1000, .owner = "net0"}));
  const auto before = mmio.snapshot();
  for (const MmioRange wrong :
       {range(0xd000'0000, 0xd000'0ffe), range(0xd000'0000, 0xd000'1fff), range(0xd000'0001, 0xd000'0fff),
        range(0xd000'0400, 0xd000'04ff), range(0xd000'2000, 0xd000'2fff), range(0, 0xfff), MmioRange::all()}) {
    EXPECT_EQ(mmio.free(wrong).error().code(), ErrorCode::kNotFound) << fmt::format("{}", wrong);
  }
  EXPECT_EQ(mmio.snapshot(), before);
  EXPECT_TRUE(mmio.free(range(0xd000'0000, 0xd000'0fff)));
  EXPECT_EQ(mmio.free(range(0xd000'0000, 0xd000'0fff)).error().code(), ErrorCode::kNotFound);
}

TEST(AddressAllocator, UpdateIsAllOrNothingAndMayOverlap) {
  Mmio mmio("mmio", kWindow);
  ASSERT_TRUE(mmio.allocate({.size = 0x1000, .owner = "blk0"}));
  ASSERT_TRUE(mmio.allocate({.size = 0x1000, .at = MmioAddress(0xd000'4000), .owner = "net0"}));
  EXPECT_TRUE(mmio.update(range(0xd000'0000, 0xd000'0fff), range(0xd000'0800, 0xd000'27ff)));
  EXPECT_EQ(mmio.find(MmioAddress(0xd000'1000)), (Allocation<MmioAddress>{range(0xd000'0800, 0xd000'27ff), "blk0"}));

  const auto before = mmio.snapshot();
  const MmioAddress old(0xd000'0800);
  EXPECT_EQ(mmio.update(old, 0x2000, MmioAddress(0xd000'3001), 0x1000).error().code(), ErrorCode::kOverlap);
  EXPECT_EQ(mmio.update(old, 0x2000, MmioAddress(0xcfff'ffff), 0x1000).error().code(), ErrorCode::kOutOfBounds);
  EXPECT_EQ(mmio.update(old, 0x2000, MmioAddress(~0ull), 2).error().code(), ErrorCode::kOutOfBounds);
  EXPECT_EQ(mmio.update(old, 0x2000, old, 0).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(mmio.update(old, 0x1fff, MmioAddress(0xd000'8000), 1).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(mmio.update(MmioAddress(0xd000'0801), std::nullopt, old, 1).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(mmio.snapshot(), before);

  EXPECT_EQ(mmio.update(old, std::nullopt, MmioAddress(0xd000'8000), 0x10).value(), MmioAddress(0xd000'8000));
  EXPECT_EQ(mmio.update(std::nullopt, std::nullopt, old, 0x10).value(), old);
}

// The classes of vm-allocator #42 and #21 and of its kin: the top of the space, single addresses, wrapping alignment.
TEST(AddressAllocator, WorksUpToTheLastAddressThereIs) {
  Mmio mmio("mmio", MmioRange::all());
  EXPECT_EQ(mmio.free_count(), ~0ull);
  EXPECT_TRUE(mmio.allocate(MmioRange::all(), "everything"));
  EXPECT_EQ(mmio.allocate({.size = 1}).error().code(), ErrorCode::kExhausted);
  EXPECT_TRUE(mmio.free(MmioRange::all()));
  EXPECT_EQ(mmio.allocate({.size = ~0ull}).value(), range(0, ~0ull - 1));
  EXPECT_EQ(mmio.allocate({.size = 1}).value(), range(~0ull, ~0ull));
  EXPECT_TRUE(mmio.free(range(0, ~0ull - 1)));
  EXPECT_EQ(mmio.allocate({.size = 1ull << 63, .alignment = 1ull << 63, .match = Match::kLast}).value(),
            range(0, (1ull << 63) - 1));
  EXPECT_EQ(mmio.allocate({.size = 1ull << 63, .alignment = 1ull << 63}).error().code(), ErrorCode::kExhausted);
  EXPECT_TRUE(mmio.free(range(~0ull, ~0ull)));
  EXPECT_EQ(mmio.allocate({.size = 1ull << 63, .alignment = 1ull << 63}).value(), range(1ull << 63, ~0ull));
  EXPECT_EQ(mmio.holes(), std::vector<MmioRange>());
}

TEST(AddressAllocator, FreesRangesThatTouchTheEndsOfTheSpaceByOne) {
  Mmio mmio("mmio", MmioRange::all());
  EXPECT_TRUE(mmio.allocate(range(1, ~0ull - 1)));
  EXPECT_EQ(mmio.holes(), (std::vector{range(0, 0), range(~0ull, ~0ull)}));
  EXPECT_EQ(mmio.allocate({.size = 1, .match = Match::kLast}).value(), range(~0ull, ~0ull));
  EXPECT_EQ(mmio.allocate({.size = 1, .alignment = 2}).value(), range(0, 0));
  EXPECT_TRUE(mmio.free(range(1, ~0ull - 1)));
  EXPECT_TRUE(mmio.free(range(0, 0)));
  EXPECT_TRUE(mmio.free(range(~0ull, ~0ull)));
  EXPECT_EQ(mmio.holes(), std::vector{MmioRange::all()});
  EXPECT_TRUE(mmio == Mmio("other", MmioRange::all()));
}

TEST(AddressAllocator, RefusesARangeThatWraps) {
  Mmio mmio("mmio", range(0xffff'ffff'ffff'f000, ~0ull));
  EXPECT_EQ(mmio.allocate(MmioAddress(~0ull), 2).error().code(), ErrorCode::kOutOfBounds);
  EXPECT_EQ(mmio.allocate(MmioAddress(0xffff'ffff'ffff'f000), ~0ull).error().code(), ErrorCode::kOutOfBounds);
  EXPECT_EQ(mmio.free(MmioAddress(~0ull), 2).error().code(), ErrorCode::kOutOfBounds);
  EXPECT_EQ(mmio.allocate({.size = 1, .alignment = 1ull << 63}).error().code(), ErrorCode::kExhausted);
  AddressAllocator<PioAddress> pio("pio", PioRange::all());
  EXPECT_EQ(pio.allocate(PioAddress(0xffff), 2).error().code(), ErrorCode::kOutOfBounds);
  EXPECT_EQ(pio.allocate({.size = 0x10000}).value(), PioRange::all());
}

TEST(AddressAllocator, ListsAllocationsAndHolesInOrder) {
  AddressAllocator<PioAddress> pio("pio", PioRange::all());
  ASSERT_TRUE(pio.allocate(PioRange::constant(0x3f8, 0x3ff), "com1"));
  ASSERT_TRUE(pio.allocate(PioRange::constant(0x60, 0x60), "i8042"));
  ASSERT_TRUE(pio.allocate(PioRange::constant(0x64, 0x64), "i8042"));
  std::string map;
  pio.for_each([&map](PioRange range, const std::string_view* owner) {
    map += fmt::format("{} {}\n", range, owner == nullptr ? "-" : *owner);
  });
  EXPECT_EQ(map,
            "[0x0, 0x5f] -\n[0x60, 0x60] i8042\n[0x61, 0x63] -\n[0x64, 0x64] i8042\n"
            "[0x65, 0x3f7] -\n[0x3f8, 0x3ff] com1\n[0x400, 0xffff] -\n");
  EXPECT_EQ(pio.find(PioAddress(0x3fa))->owner, "com1");
  EXPECT_FALSE(pio.find(PioAddress(0x400)).has_value());
  EXPECT_EQ(pio.largest_hole(0x100, PioRange::constant(0, 0x3ff)), PioRange::constant(0x100, 0x3f7));
}

// Golden messages: each names the parties, the numbers and a way out.
TEST(AddressAllocator, SaysWhyItRefusesAnOpenRequest) {
  Mmio mmio("mmio", kWindow);
  ASSERT_TRUE(mmio.allocate(range(0xd000'0800, 0xd000'8fff), "fb0"));
  ASSERT_TRUE(mmio.allocate(range(0xd000'c000, 0xd000'ffff)));
  EXPECT_EQ(message(mmio.allocate({.size = 0, .owner = "net0"})),
            "mmio: a range of size 0 was asked for \"net0\"; ask for at least 1 address");
  EXPECT_EQ(message(mmio.allocate({.size = 0x1000, .alignment = 0x1800, .owner = "net0"})),
            "mmio: alignment 0x1800 for \"net0\" is not a power of two");
  EXPECT_EQ(message(mmio.allocate({.size = 1, .alignment = 0})), "mmio: alignment 0x0 is not a power of two");
  EXPECT_EQ(message(mmio.allocate({.size = 1, .within = range(0xe000'0000, 0xe000'0fff), .owner = "net0"})),
            "mmio: the bounds [0xe0000000, 0xe0000fff] for \"net0\" lie outside the managed space [0xd0000000, "
            "0xd000ffff]");
  EXPECT_EQ(
      message(mmio.allocate({.size = 0x4000, .alignment = 0x4000, .owner = "net0"})),
      "mmio: no room for 0x4000 addresses aligned to 0x4000 in [0xd0000000, 0xd000ffff] for \"net0\": 0x3800 are "
      "free there, the largest hole so aligned is [0xd0000000, 0xd00007ff] (0x800); ask for at most 0x800, free a "
      "range or widen the bounds; held by: [0xd0000800, 0xd0008fff] \"fb0\", [0xd000c000, 0xd000ffff] (no name)");
  EXPECT_EQ(
      message(mmio.allocate({.size = 0x3001})),
      "mmio: no room for 0x3001 addresses in [0xd0000000, 0xd000ffff]: 0x3800 are free there, the largest hole is "
      "[0xd0009000, 0xd000bfff] (0x3000); ask for at most 0x3000, free a range or widen the bounds; held by: "
      "[0xd0000800, 0xd0008fff] \"fb0\", [0xd000c000, 0xd000ffff] (no name)");
  EXPECT_EQ(message(mmio.allocate({.size = 1, .within = range(0xd000'1000, 0xd000'1fff)})),
            "mmio: no room for 0x1 addresses in [0xd0001000, 0xd0001fff]: nothing is free there; free a range or widen "
            "the bounds; held by: [0xd0000800, 0xd0008fff] \"fb0\"");
  EXPECT_EQ(
      message(mmio.allocate({.size = 1, .alignment = 0x10000, .within = range(0xd000'9000, ~0ull)})),
      "mmio: no room for 0x1 addresses aligned to 0x10000 in [0xd0009000, 0xd000ffff]: 0x3000 are free there, but "
      "no free address is so aligned; lower the alignment, free a range or widen the bounds; held by: [0xd000c000, "
      "0xd000ffff] (no name)");
  EXPECT_EQ(message(mmio.allocate({.size = 0x20000, .owner = "fb1"})),
            "mmio: no room for 0x20000 addresses in [0xd0000000, 0xd000ffff] for \"fb1\", which are only 0x10000 "
            "addresses; ask for less or widen the bounds");
  EXPECT_EQ(
      message(Mmio("mmio", MmioRange::all())
                  .allocate({.size = ~0ull, .alignment = 0x1000, .match = Match::kLast, .within = range(1, ~0ull)})),
      "mmio: no room for 0xffffffffffffffff addresses aligned to 0x1000 in [0x1, 0xffffffffffffffff]: "
      "0xffffffffffffffff are free there, the largest hole so aligned is [0x1000, 0xffffffffffffffff] "
      "(0xfffffffffffff000); ask for at most 0xfffffffffffff000, free a range or widen the bounds");
}

TEST(AddressAllocator, SaysWhyItRefusesAnExactRequest) {
  Mmio mmio("mmio", kWindow);
  ASSERT_TRUE(mmio.allocate(range(0xd000'0800, 0xd000'8fff), "fb0"));
  ASSERT_TRUE(mmio.allocate(range(0xd000'9000, 0xd000'9000)));
  EXPECT_EQ(
      message(mmio.allocate({.size = 0x1000, .alignment = 0x1000, .at = MmioAddress(0xd000'8000), .owner = "net0"})),
      "mmio: [0xd0008000, 0xd0008fff] for \"net0\" overlaps [0xd0000800, 0xd0008fff] held by \"fb0\"; free that "
      "first, or leave the address open: [0xd000a000, 0xd000afff] is the lowest place that fits");
  EXPECT_EQ(
      message(mmio.allocate({.size = 0x8000, .at = MmioAddress(0xd000'0000)})),
      "mmio: [0xd0000000, 0xd0007fff] overlaps [0xd0000800, 0xd0008fff] held by \"fb0\"; free that first; no hole "
      "of [0xd0000000, 0xd000ffff] is large enough, the largest is [0xd0009001, 0xd000ffff] (0x6fff)");
  EXPECT_EQ(
      message(mmio.allocate({.size = 0x8000, .alignment = 0x8000, .at = MmioAddress(0xd000'8000), .owner = "net0"})),
      "mmio: [0xd0008000, 0xd000ffff] for \"net0\" overlaps [0xd0000800, 0xd0008fff] held by \"fb0\"; free that "
      "first; no hole of [0xd0000000, 0xd000ffff] is large enough, the largest aligned to 0x8000 is [0xd0000000, "
      "0xd00007ff] (0x800)");
  ASSERT_TRUE(mmio.allocate(range(0xd000'f000, 0xd000'ffff)));
  EXPECT_EQ(message(mmio.allocate(range(0xd000'ffff, 0xd000'ffff), "net0")),
            "mmio: [0xd000ffff, 0xd000ffff] for \"net0\" overlaps [0xd000f000, 0xd000ffff] which is allocated without "
            "an owner's name; free that first, or leave the address open: [0xd0000000, 0xd0000000] is the lowest place "
            "that fits");
  EXPECT_EQ(message(mmio.allocate({.size = 0x1000, .alignment = 0x1000, .at = MmioAddress(0xd000'9800)})),
            "mmio: 0xd0009800 is not aligned to 0x1000; the nearest addresses that are: 0xd0009000 and 0xd000a000");
  EXPECT_EQ(message(mmio.allocate({.size = 1, .alignment = 0x1000, .at = MmioAddress::max(), .owner = "net0"})),
            "mmio: 0xffffffffffffffff for \"net0\" is not aligned to 0x1000; the nearest addresses that are: "
            "0xfffffffffffff000");
  EXPECT_EQ(message(mmio.allocate({.size = 2, .at = MmioAddress(0xd000'ffff), .owner = "net0"})),
            "mmio: [0xd000ffff, 0xd0010000] for \"net0\" is outside the managed space [0xd0000000, 0xd000ffff]");
  EXPECT_EQ(message(mmio.allocate({.size = 2, .at = MmioAddress(0xd000'9000), .within = range(0, 0xd000'9000)})),
            "mmio: [0xd0009000, 0xd0009001] is outside the bounds [0x0, 0xd0009000]");
  EXPECT_EQ(message(mmio.allocate(MmioAddress(0xd000'9000), 0)),
            "mmio: a range of size 0 was asked; ask for at least 1 address");
  EXPECT_EQ(message(mmio.allocate(MmioAddress(~0ull), 2)),
            "mmio: 0x2 addresses from 0xffffffffffffffff pass the top of the address space (0xffffffffffffffff)");
  EXPECT_EQ(message(AddressAllocator<PioAddress>("pio", PioRange::all()).allocate(PioAddress(0xfff8), 0x10)),
            "pio: 0x10 addresses from 0xfff8 pass the top of the address space (0xffff)");
}

TEST(AddressAllocator, SaysWhyNoOtherPlaceWouldDo) {
  Mmio mmio("mmio", kWindow);
  ASSERT_TRUE(mmio.allocate(range(0xd000'0000, 0xd000'0fff), "fb0"));
  EXPECT_EQ(
      message(mmio.allocate({.size = 1, .alignment = 0x10000, .at = MmioAddress(0xd000'0000)})),
      "mmio: [0xd0000000, 0xd0000000] overlaps [0xd0000000, 0xd0000fff] held by \"fb0\"; free that first; no free "
      "address of [0xd0000000, 0xd000ffff] is aligned to 0x10000");
  ASSERT_TRUE(mmio.allocate(range(0xd000'1000, 0xd000'ffff), "fb1"));
  EXPECT_EQ(
      message(mmio.allocate(range(0xd000'0000, 0xd000'0000))),
      "mmio: [0xd0000000, 0xd0000000] overlaps [0xd0000000, 0xd0000fff] held by \"fb0\"; free that first; nothing "
      "of [0xd0000000, 0xd000ffff] is free");
}

// A full machine's list of holders does not fill the terminal.
TEST(AddressAllocator, NamesAtMostEightHolders) {
  Mmio mmio("mmio", kWindow);
  for (std::uint64_t i = 0; i < 8; ++i)
    ASSERT_TRUE(mmio.allocate(range(0xd000'0000 + 0x1000 * i, 0xd000'0fff + 0x1000 * i), fmt::format("blk{}", i)));
  const MmioRange bounds = range(0xd000'0000, 0xd000'8fff);
  EXPECT_THAT(message(mmio.allocate({.size = 0x2000, .within = bounds})),
              testing::EndsWith("[0xd0006000, 0xd0006fff] \"blk6\", [0xd0007000, 0xd0007fff] \"blk7\""));
  ASSERT_TRUE(mmio.allocate(range(0xd000'8000, 0xd000'80ff), "rng0"));
  ASSERT_TRUE(mmio.allocate(range(0xd000'8f00, 0xd000'8fff), "rng1"));
  EXPECT_THAT(message(mmio.allocate({.size = 0x2000, .within = bounds})),
              testing::EndsWith("[0xd0007000, 0xd0007fff] \"blk7\" and 2 more"));
}

TEST(AddressAllocator, SaysWhyItRefusesToFreeOrMove) {
  Mmio mmio("mmio", kWindow);
  ASSERT_TRUE(mmio.allocate(range(0xd000'0000, 0xd000'0fff), "blk0"));
  ASSERT_TRUE(mmio.allocate(range(0xd000'1000, 0xd000'1fff), "net0"));
  EXPECT_EQ(
      message(mmio.free(range(0xd000'4000, 0xd000'4fff))),
      "mmio: [0xd0004000, 0xd0004fff] is not allocated, so it cannot be given back or moved (was it freed twice?)");
  EXPECT_EQ(message(mmio.free(range(0xd000'0800, 0xd000'17ff))),
            "mmio: [0xd0000800, 0xd00017ff] was not allocated as one range: [0xd0000000, 0xd0000fff] held by \"blk0\" "
            "is there; name that range exactly");
  EXPECT_EQ(message(mmio.update(range(0xd000'0000, 0xd000'0fff), range(0xd000'0800, 0xd000'17ff))),
            "mmio: [0xd0000800, 0xd00017ff] for \"blk0\" overlaps [0xd0001000, 0xd0001fff] held by \"net0\"; free that "
            "first, or leave the address open: [0xd0000000, 0xd0000fff] is the lowest place that fits");
  EXPECT_EQ(message(mmio.update(MmioAddress(0xd000'0010), std::nullopt, MmioAddress(0xd000'8000), 1)),
            "mmio: [0xd0000010, 0xd0000010] was not allocated as one range: [0xd0000000, 0xd0000fff] held by \"blk0\" "
            "is there; name that range exactly");
}

TEST(AddressAllocator, ForgetsNamesThatNobodyCarries) {
  Mmio mmio("mmio", kWindow);
  const auto cycle = [&mmio](int i) {
    ASSERT_TRUE(mmio.allocate({.size = 1, .owner = fmt::format("an owner whose name is rather long {}", i)}));
    ASSERT_TRUE(mmio.free(MmioAddress(0xd000'0000), 1));
  };
  for (int i = 0; i < 10; ++i) cycle(i);
  const auto memory = mmio.memory();
  for (int i = 0; i < 1000; ++i) cycle(i);
  EXPECT_EQ(mmio.memory(), memory);
}

}  // namespace
}  // namespace keel
