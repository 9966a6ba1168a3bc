// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/memory/guest_memory.h"

#include <array>
#include <concepts>
#include <numeric>

#include <gtest/gtest.h>

namespace keel {
namespace {

constexpr std::uint64_t kPage = 0x1000;

static_assert(std::movable<GuestMemory> && !std::copyable<GuestMemory>);

GuestMemory memory_of(std::initializer_list<GuestRange> ranges) {
  return GuestMemory::create(std::span(ranges.begin(), ranges.size())).value();
}

// Two regions that touch, then a hole, then one more.
GuestMemory three_regions() {
  return memory_of({GuestRange::constant(0x0, 0x1fff), GuestRange::constant(0x2000, 0x2fff),
                    GuestRange::constant(0x10000, 0x10fff)});
}

std::string create_error(std::initializer_list<GuestRange> ranges) {
  auto memory = GuestMemory::create(std::span(ranges.begin(), ranges.size()));
  return memory ? "no error" : memory.error().message();
}

TEST(GuestMemory, KeepsItsRegionsSortedAndZeroed) {
  const auto memory = memory_of({GuestRange::constant(0x10000, 0x10fff), GuestRange::constant(0x0, 0x1fff)});
  ASSERT_EQ(memory.regions().size(), 2u);
  EXPECT_EQ(memory.regions()[0].range, GuestRange::constant(0x0, 0x1fff));
  EXPECT_EQ(memory.regions()[1].range, GuestRange::constant(0x10000, 0x10fff));
  EXPECT_EQ(memory.total_size(), 0x3000u);
  const auto bytes = memory.slice(GuestAddress(0), 0x2000).value();
  EXPECT_EQ(std::accumulate(bytes.begin(), bytes.end(), 0u), 0u);
}

TEST(GuestMemory, HostAndGuestAddressesAgreeModuloAHugePage) {
  for (const HugePages huge_pages : {HugePages::kHostPolicy, HugePages::kAdvise}) {
    const std::array ranges = {GuestRange::constant(0x3000, 0x40'0fff),
                               GuestRange::constant(0x1'0000'0000, 0x1'003f'ffff)};
    const auto memory = GuestMemory::create(ranges, {.huge_pages = huge_pages}).value();
    for (const auto& [range, host] : memory.regions()) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(host) % 0x20'0000, range.first().value() % 0x20'0000);
      host[0] = 1;
      host[range.size() - 1] = 1;
    }
  }
}

TEST(GuestMemory, RefusesRangesThatCannotBeRamAndSaysWhich) {
  EXPECT_EQ(create_error({}), "guest memory needs at least one range of RAM");
  EXPECT_EQ(create_error({GuestRange::constant(0x0, 0x17ff)}),
            "RAM [0x0, 0x17ff] does not start and end on pages of 0x1000 bytes");
  EXPECT_EQ(create_error({GuestRange::constant(0x800, 0x17ff)}),
            "RAM [0x800, 0x17ff] does not start and end on pages of 0x1000 bytes");
  EXPECT_EQ(create_error({GuestRange::constant(0x1000, 0x2fff), GuestRange::constant(0x0, 0x1fff)}),
            "RAM [0x1000, 0x2fff] overlaps RAM [0x0, 0x1fff]");
}

TEST(GuestMemory, MoreThanTheHostCanMapIsAnError) {
  const std::array everything = {GuestRange::all()};
  EXPECT_EQ(GuestMemory::create(everything).error().code(), ErrorCode::kExhausted);
  const std::array half = {GuestRange::constant(0x1000, 0x7fff'ffff'ffff'ffff)};
  const auto refused = GuestMemory::create(half);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kExhausted);
  EXPECT_EQ(refused.error().message(),
            "cannot map 8796093022207 MiB of host memory for RAM [0x1000, 0x7fffffffffffffff]: Cannot allocate memory");
}

TEST(GuestMemory, ASliceIsTheHostBytesOfOneRegion) {
  const auto memory = three_regions();
  const auto slice = memory.slice(GuestAddress(0x1ffe), 2);
  ASSERT_TRUE(slice.has_value());
  EXPECT_EQ(slice->data(), memory.regions()[0].host + 0x1ffe);
  EXPECT_EQ(slice->size(), 2u);
  EXPECT_EQ(memory.try_slice(GuestAddress(0x1ffe), 2)->data(), slice->data());

  const auto crossing = memory.slice(GuestAddress(0x1ffe), 4);
  ASSERT_FALSE(crossing.has_value());
  EXPECT_EQ(crossing.error().code(), ErrorCode::kOutOfBounds);
  EXPECT_EQ(crossing.error().message(),
            "0x4 bytes at guest address 0x1ffe do not lie within one region of RAM; the regions are [0x0, 0x1fff], "
            "[0x2000, 0x2fff], [0x10000, 0x10fff]");
}

// Every address and size around every edge, against asking byte by byte.
TEST(GuestMemory, SlicesAgreeWithTheMapAtEveryEdge) {
  const auto memory = three_regions();
  const auto region_of = [&](std::uint64_t address) {
    return std::ranges::find_if(memory.regions(),
                                [&](const auto& r) { return r.range.contains(GuestAddress(address)); });
  };
  for (const std::uint64_t edge : {0x2000u, 0x3000u, 0x10000u, 0x11000u}) {
    for (std::uint64_t address = edge - 3; address < edge + 3; ++address) {
      for (std::uint64_t size = 0; size < 6; ++size) {
        const bool inside = size > 0 && region_of(address) != memory.regions().end() &&
                            region_of(address) == region_of(address + size - 1);
        EXPECT_EQ(memory.try_slice(GuestAddress(address), size).has_value(), inside) << address << " " << size;
        EXPECT_EQ(memory.slice(GuestAddress(address), size).has_value(), inside) << address << " " << size;
      }
    }
  }
}

TEST(GuestMemory, ASlicesFrontEndsWithItsRegion) {
  const std::array ranges = {GuestRange::constant(0x0, 0xfff), GuestRange::constant(0x1000, 0x1fff),
                             GuestRange::constant(0xffff'ffff'ffff'f000, 0xffff'ffff'ffff'ffff)};
  const auto memory = GuestMemory::create(ranges).value();
  const auto front = memory.slice_front(GuestAddress(0xffc), 0x100);
  EXPECT_EQ(front.size(), 4u);
  EXPECT_EQ(front.data(), memory.slice(GuestAddress(0xffc), 4)->data());
  EXPECT_EQ(memory.slice_front(GuestAddress(0x1000), 0x1000).size(), 0x1000u);
  EXPECT_EQ(memory.slice_front(GuestAddress(0xffff'ffff'ffff'fff0), ~0ull).size(), 16u);
  EXPECT_TRUE(memory.slice_front(GuestAddress(0x2000), 1).empty());
  EXPECT_TRUE(memory.slice_front(GuestAddress(0), 0).empty());
}

TEST(GuestMemory, HugeSizesAndTheTopOfTheSpaceAreOutside) {
  const auto memory = three_regions();
  for (const std::uint64_t address : {0x0ull, 0x1ull, 0x10000ull, ~0ull, ~0ull - 1}) {
    for (const std::uint64_t size : {~0ull, ~0ull - 1, ~0ull - 0xffff, 1ull << 63}) {
      EXPECT_FALSE(memory.try_slice(GuestAddress(address), size).has_value()) << address << " " << size;
    }
  }
  EXPECT_FALSE(memory.try_slice(GuestAddress::max(), 1).has_value());
  std::array<std::uint8_t, 2> bytes = {};
  EXPECT_FALSE(memory.read(GuestAddress::max(), bytes).has_value());
}

TEST(GuestMemory, RamMayEndAtTheTopOfTheSpace) {
  const auto memory = memory_of({GuestRange::constant(~0ull - 0xfff, ~0ull)});
  const std::array<std::uint8_t, 2> sent = {1, 2};
  EXPECT_TRUE(memory.write(GuestAddress(~0ull - 1), sent).has_value());
  EXPECT_EQ(memory.read_object<std::uint8_t>(GuestAddress::max()), 2);
  EXPECT_FALSE(memory.write(GuestAddress::max(), sent).has_value());
  EXPECT_EQ(memory.try_slice(GuestAddress::max(), 1)->data(), memory.regions()[0].host + 0xfff);
  EXPECT_FALSE(memory.try_slice(GuestAddress::max(), 2).has_value());
}

TEST(GuestMemory, ReadsAndWritesCrossIntoAnAdjacentRegion) {
  const auto memory = three_regions();
  std::array<std::uint8_t, 0x3000> sent;
  std::iota(sent.begin(), sent.end(), std::uint8_t{0});
  ASSERT_TRUE(memory.write(GuestAddress(0), sent).has_value());
  EXPECT_EQ(*memory.try_slice(GuestAddress(0x2000), 1)->data(), 0x2000 % 256);

  std::array<std::uint8_t, 0x2ffe> received = {};
  ASSERT_TRUE(memory.read(GuestAddress(1), received).has_value());
  EXPECT_TRUE(std::ranges::equal(received, std::span(sent).subspan(1, received.size())));
}

TEST(GuestMemory, AnAccessThatLeavesRamCopiesNothing) {
  const auto memory = three_regions();
  const std::array<std::uint8_t, 4> sent = {1, 2, 3, 4};
  const auto refused = memory.write(GuestAddress(0x2ffe), sent);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kOutOfBounds);
  EXPECT_EQ(memory.read_object<std::uint16_t>(GuestAddress(0x2ffe)), 0);

  std::array<std::uint8_t, 4> received = {9, 9, 9, 9};
  EXPECT_FALSE(memory.read(GuestAddress(0xfffe), received).has_value());
  EXPECT_EQ(received, (std::array<std::uint8_t, 4>{9, 9, 9, 9}));
}

TEST(GuestMemory, NoBytesSucceedAnywhere) {
  const auto memory = three_regions();
  EXPECT_TRUE(memory.read(GuestAddress(0x5000), {}).has_value());
  EXPECT_TRUE(memory.write(GuestAddress::max(), {}).has_value());
}

TEST(GuestMemory, ObjectsNeedNoAlignmentAndMayCrossRegions) {
  const auto memory = three_regions();
  struct Pair {
    std::uint32_t a;
    std::uint64_t b;
  };
  ASSERT_TRUE(memory.write_object(GuestAddress(0x1ff9), Pair{7, 0x1122334455667788}).has_value());
  const auto pair = memory.read_object<Pair>(GuestAddress(0x1ff9));
  ASSERT_TRUE(pair.has_value());
  EXPECT_EQ(pair->a, 7u);
  EXPECT_EQ(pair->b, 0x1122334455667788u);
  EXPECT_EQ(memory.read_object<std::uint64_t>(GuestAddress(0x2ffc)).error().code(), ErrorCode::kOutOfBounds);
}

TEST(GuestMemory, MovingKeepsTheHostAddresses) {
  auto first = memory_of({GuestRange::constant(0, kPage - 1)});
  std::uint8_t* const host = first.regions()[0].host;
  host[5] = 42;
  GuestMemory second = std::move(first);
  EXPECT_TRUE(first.regions().empty());  // NOLINT(bugprone-use-after-move): the moved-from state is documented
  EXPECT_EQ(second.regions()[0].host, host);
  EXPECT_EQ(second.read_object<std::uint8_t>(GuestAddress(5)), 42);
  second = memory_of({GuestRange::constant(0, kPage - 1)});
  EXPECT_EQ(second.read_object<std::uint8_t>(GuestAddress(5)), 0);
}

}  // namespace
}  // namespace keel
