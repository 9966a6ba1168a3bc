// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/id_allocator.h"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "keel/base/address.h"

namespace keel {
namespace {

using GsiRange = IdRange<Gsi>;

IdAllocator<Gsi> pins() {
  return {"gsi", GsiRange::constant(5, 23)};
}

template <typename T>
std::string message(const Result<T>& result) {
  return result ? "success" : result.error().message();
}

TEST(IdAllocator, HandsOutTheLowestFreeIdFirst) {
  IdAllocator<Gsi> allocator = pins();
  EXPECT_EQ(allocator.allocate().value(), Gsi(5));
  EXPECT_EQ(allocator.allocate().value(), Gsi(6));
  EXPECT_EQ(allocator.allocate().value(), Gsi(7));
  ASSERT_TRUE(allocator.free(Gsi(5)));
  ASSERT_TRUE(allocator.free(Gsi(6)));
  EXPECT_EQ(allocator.allocate().value(), Gsi(5));
  EXPECT_EQ(allocator.allocate().value(), Gsi(6));
  EXPECT_EQ(allocator.allocate().value(), Gsi(8));
}

TEST(IdAllocator, HandsOutAnExactIdOrRun) {
  IdAllocator<Gsi> allocator = pins();
  EXPECT_EQ(allocator.allocate(Gsi(10), 1).value(), Gsi(10));
  EXPECT_EQ(allocator.allocate({.count = 4, .at = Gsi(11)}).value(), GsiRange::constant(11, 14));
  EXPECT_EQ(allocator.allocate({.count = 6}).value(), GsiRange::constant(15, 20));
  EXPECT_EQ(allocator.allocate({.count = 2, .within = GsiRange::constant(7, 23)}).value(), GsiRange::constant(7, 8));
  EXPECT_EQ(allocator.snapshot().taken, (std::vector{GsiRange::constant(7, 8), GsiRange::constant(10, 20)}));
  EXPECT_EQ(allocator.allocate({.within = GsiRange::constant(20, 40)}).value(), GsiRange::single(Gsi(21)));
  ASSERT_TRUE(allocator.free(Gsi(21)));
  EXPECT_EQ(allocator.taken_count(), 13u);
  EXPECT_EQ(allocator.free_count(), 6u);
}

TEST(IdAllocator, SaysWhyItRefuses) {
  IdAllocator<Gsi> allocator = pins();
  ASSERT_TRUE(allocator.allocate({.count = 3, .at = Gsi(5)}));
  EXPECT_EQ(message(allocator.allocate(Gsi(6), 1)),
            "gsi 6 is taken; free it first, or leave the number open: 8 is the lowest free one");
  EXPECT_EQ(message(allocator.allocate(Gsi(4), 1)), "gsi 4 is outside the range to choose from, [5, 23]");
  EXPECT_EQ(message(allocator.allocate(Gsi(20), 5)), "gsi [20, 24] is outside the range to choose from, [5, 23]");
  EXPECT_EQ(message(allocator.allocate(Gsi(20), ~0ull)),
            "gsi the run that starts at 20 is outside the range to choose from, [5, 23]");
  EXPECT_EQ(message(allocator.allocate({.within = GsiRange::constant(24, 40)})),
            "gsi [24, 40] is outside the range to choose from, [5, 23]");
  EXPECT_EQ(message(allocator.allocate({.at = Gsi(9), .within = GsiRange::constant(10, 12)})),
            "gsi 9 is outside the range to choose from, [10, 12]");
  EXPECT_EQ(message(allocator.allocate(std::nullopt, 0)), "gsi: a run of 0 ids was asked for; ask for at least 1");
  EXPECT_EQ(message(allocator.allocate({.within = GsiRange::constant(5, 7)})),
            "no gsi is left: all 3 of [5, 7] are taken; free one or widen the range");
  ASSERT_TRUE(allocator.allocate(Gsi(12), 1));
  EXPECT_EQ(message(allocator.allocate({.count = 6, .within = GsiRange::constant(5, 17)})),
            "no 6 gsis in a row are left in [5, 17]: 9 are free, the longest run is 5 from 13; ask for at most 5, or "
            "free or widen");
  EXPECT_EQ(message(allocator.free(Gsi(4))), "gsi 4 is outside the range to choose from, [5, 23]");
  EXPECT_EQ(message(allocator.free(Gsi(9))), "gsi 9 is not taken, so it cannot be given back (was it freed twice?)");
  EXPECT_EQ(message(allocator.free(Gsi(5), 5)), "gsi 8 is not taken, so it cannot be given back (was it freed twice?)");
  ASSERT_TRUE(allocator.allocate({.count = 4, .at = Gsi(8)}));
  ASSERT_TRUE(allocator.allocate({.count = 11, .at = Gsi(13)}));
  EXPECT_EQ(message(allocator.allocate()), "no gsi is left: all 19 of [5, 23] are taken; free one or widen the range");
  EXPECT_EQ(message(allocator.allocate(Gsi(23), 1)), "gsi 23 is taken; free it first; all 19 of [5, 23] are taken");
}

// The classes of vm-allocator #120: freeing twice, and freeing the id that would have come next.
TEST(IdAllocator, NeverHandsOneIdToTwoOwners) {
  IdAllocator<> allocator("id", IdRange<std::uint32_t>::constant(0, 9));
  EXPECT_EQ(allocator.free(0).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(allocator.allocate().value(), 0u);
  EXPECT_EQ(allocator.free(1).error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(allocator.free(0));
  EXPECT_EQ(allocator.free(0).error().code(), ErrorCode::kNotFound);
  std::set<std::uint32_t> owned;
  while (const auto id = allocator.allocate()) EXPECT_TRUE(owned.insert(*id).second);
  EXPECT_EQ(owned.size(), 10u);
}

TEST(IdAllocator, UpdateIsAllOrNothingAndMayOverlap) {
  IdAllocator<Gsi> allocator = pins();
  EXPECT_EQ(allocator.update(std::nullopt, std::nullopt, Gsi(8), 2).value(), Gsi(8));
  ASSERT_TRUE(allocator.allocate(Gsi(12), 1));
  EXPECT_EQ(allocator.update(Gsi(8), 2, Gsi(9), 3).value(), Gsi(9));
  const auto before = allocator.snapshot().taken;
  EXPECT_EQ(allocator.update(Gsi(9), 3, Gsi(10), 3).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(allocator.update(Gsi(9), 3, Gsi(23), 2).error().code(), ErrorCode::kOutOfBounds);
  EXPECT_EQ(allocator.update(Gsi(9), 4, Gsi(20), 0).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(allocator.update(Gsi(8), 2, Gsi(20), 1).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(allocator.update(Gsi(8), std::nullopt, Gsi(20), 1).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(allocator.snapshot().taken, before);
}

TEST(IdAllocator, ReachesTheLastIdOfThirtyTwoBitsInLittleMemory) {
  IdAllocator<Gsi> allocator("gsi", GsiRange::constant(0, 0xffff'ffff));
  EXPECT_EQ(allocator.allocate(Gsi(0xffff'ffff), 1).value(), Gsi(0xffff'ffff));
  EXPECT_EQ(allocator.allocate(Gsi(0xffff'ffff), 1).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(allocator.allocate(Gsi(0xffff'ffff), 2).error().code(), ErrorCode::kOutOfBounds);
  EXPECT_LT(allocator.memory(), 1u << 18);
  EXPECT_EQ(allocator.allocate({.count = 0xffff'ffff}).value(), GsiRange::constant(0, 0xffff'fffe));
  EXPECT_LT(allocator.memory(), 16u << 20);
  EXPECT_EQ(message(allocator.allocate()),
            "no gsi is left: all 4294967296 of [0, 4294967295] are taken; free one or widen the range");
  EXPECT_TRUE(allocator.free(Gsi(0x8000'0000)));
  EXPECT_EQ(allocator.allocate().value(), Gsi(0x8000'0000));
  EXPECT_TRUE(allocator.free(GsiRange::constant(0, 0xffff'ffff)));
  EXPECT_EQ(allocator.taken_count(), 0u);
  EXPECT_EQ(allocator.allocate().value(), Gsi(0));
}

TEST(IdAllocator, NumbersOfEightBitsWork) {
  IdAllocator<std::uint8_t> allocator("vector", IdRange<std::uint8_t>::constant(250, 255));
  for (unsigned id = 250; id <= 255; ++id) EXPECT_EQ(allocator.allocate().value(), id);
  EXPECT_EQ(allocator.allocate().error().code(), ErrorCode::kExhausted);
}

// What the allocator must do, done by looking at every id.
class Model {
 public:
  using Run = IdRange<std::uint32_t>;

  explicit Model(Run managed) : managed_(managed), taken_(managed.count(), 0) {}

  std::optional<std::uint32_t> find(std::uint64_t count, Run within) const {
    std::uint64_t run = 0;
    for (std::uint64_t i = within.first() - managed_.first(); i <= within.last() - managed_.first(); ++i) {
      run = taken_[i] != 0 ? 0 : run + 1;
      if (run == count) return managed_.at(i + 1 - count);
    }
    return std::nullopt;
  }
  std::optional<std::uint32_t> allocate(const IdRequest<std::uint32_t>& request) {
    std::optional<std::uint32_t> at;
    if (!request.at) {
      at = find(request.count, request.within.value_or(managed_));
    } else if (const auto run = Run::from_count(*request.at, request.count); run && managed_.contains(*run)) {
      at = find(request.count, *run);
    }
    if (at) set(*at, request.count, 1);
    return at;
  }
  bool free(std::uint32_t first, std::uint64_t count) {
    const auto run = Run::from_count(first, count);
    if (!run || !managed_.contains(*run)) return false;
    for (std::uint64_t i = 0; i < count; ++i)
      if (taken_[first - managed_.first() + i] == 0) return false;
    set(first, count, 0);
    return true;
  }
  const std::vector<char>& taken() const { return taken_; }

 private:
  void set(std::uint32_t first, std::uint64_t count, char to) {
    for (std::uint64_t i = 0; i < count; ++i) taken_[first - managed_.first() + i] = to;
  }

  Run managed_;
  std::vector<char> taken_;
};

struct Pair {
  explicit Pair(IdRange<std::uint32_t> managed) : real("id", managed), model(managed) {}

  void allocate(const IdRequest<std::uint32_t>& request) {
    const bool any = request.count == 1 && !request.at && !request.within;
    const auto expected = model.allocate(request);
    std::optional<std::uint32_t> got;
    if (any) {
      if (const auto id = real.allocate()) got = *id;
    } else if (const auto run = real.allocate(request)) {
      got = run->first();
    }
    ASSERT_EQ(got, expected);
  }
  void free(std::uint32_t first, std::uint64_t count) {
    const bool expected = model.free(first, count);
    ASSERT_EQ((count == 1 ? real.free(first) : real.free(first, count)).has_value(), expected);
  }
  void compare() const {
    std::vector<char> taken(real.managed().count(), 0);
    for (const auto run : real.snapshot().taken)
      for (std::uint64_t i = 0; i < run.count(); ++i) taken[run.at(i) - real.managed().first()] = 1;
    ASSERT_EQ(taken, model.taken());
    ASSERT_EQ(real.taken_count(), static_cast<std::uint64_t>(std::count(taken.begin(), taken.end(), 1)));
  }

  IdAllocator<std::uint32_t> real;
  Model model;
};

// Every sequence of four operations over eight ids.
TEST(IdAllocator, AgreesWithTheModelOnEverySequenceOfASmallSpace) {
  constexpr unsigned kOperations = 8 + 8 + 7;
  const auto run = [](Pair& pair, unsigned operation) {
    if (operation < 8) return pair.allocate({.count = 1, .at = 10 + operation});
    if (operation < 16) return pair.free(10 + operation - 8, 1);
    if (operation == 16) return pair.allocate({});
    if (operation == 17) return pair.allocate({.count = 2});
    if (operation == 18) return pair.allocate({.count = 3});
    if (operation == 19) return pair.allocate({.count = 1, .within = IdRange<std::uint32_t>::constant(12, 13)});
    if (operation == 20) return pair.allocate({.count = 2, .within = IdRange<std::uint32_t>::constant(14, 17)});
    if (operation == 21) return pair.free(11, 2);
    return pair.allocate({.count = 3, .at = 15});
  };
  for (unsigned sequence = 0; sequence < kOperations * kOperations * kOperations * kOperations; ++sequence) {
    Pair pair(IdRange<std::uint32_t>::constant(10, 17));
    for (unsigned rest = sequence, step = 0; step < 4; ++step, rest /= kOperations) run(pair, rest % kOperations);
    pair.compare();
    ASSERT_FALSE(HasFatalFailure()) << "sequence " << sequence;
  }
}

// Long random histories over spaces that end inside a word, a page and at the last id.
TEST(IdAllocator, AgreesWithTheModelOnLongRandomHistories) {
  for (const auto managed : {IdRange<std::uint32_t>::constant(3, 130), IdRange<std::uint32_t>::constant(1000, 9300),
                             IdRange<std::uint32_t>::constant(0xffff'e000, 0xffff'ffff)}) {
    std::mt19937 random(7);
    const auto below = [&random](std::uint64_t bound) { return static_cast<std::uint32_t>(random() % bound); };
    Pair pair(managed);
    for (unsigned step = 0; step < 12'000; ++step) {
      const std::uint32_t id = managed.first() + below(managed.count());
      const std::uint32_t count = below(4) == 0 ? 1 + below(70) : 1;
      switch (below(step / 2000 % 2 == 0 ? 4 : 6)) {
        case 0: pair.allocate({}); break;
        case 1: pair.allocate({.count = count, .at = id}); break;
        case 2:
          pair.allocate({.count = count, .within = *IdRange<std::uint32_t>::from_bounds(id, managed.last())});
          break;
        case 3: pair.allocate({.count = count}); break;
        default: pair.free(id, count); break;
      }
      ASSERT_FALSE(HasFatalFailure()) << "step " << step;
    }
    pair.compare();
  }
}

TEST(IdAllocator, ComparesByWhatIsTaken) {
  IdAllocator<Gsi> a = pins();
  IdAllocator<Gsi> b = pins();
  ASSERT_TRUE(a.allocate(Gsi(9), 3));
  EXPECT_FALSE(a == b);
  ASSERT_TRUE(b.allocate(Gsi(9), 4));
  ASSERT_TRUE(b.free(Gsi(12)));
  EXPECT_TRUE(a == b);
}

}  // namespace
}  // namespace keel
