// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// AddressAllocator against the naive model: every short history of small spaces, long random histories of large ones.

#include <algorithm>
#include <bit>
#include <map>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "unit/resource/address_pair.h"
#include "keel/resource/address_allocator.h"

namespace keel {
namespace {

using PioPair = test::AddressPair<PioAddress>;
using PioRequest = AddressRequest<PioAddress>;

PioRange ports(unsigned first, unsigned last) {
  return *PioRange::from_bounds(PioAddress(static_cast<std::uint16_t>(first)),
                                PioAddress(static_cast<std::uint16_t>(last)));
}

PioAddress port(unsigned at) {
  return PioAddress(static_cast<std::uint16_t>(at));
}

// Every request there is to a space of `n` addresses that starts at `base`.
std::vector<PioRequest> every_request(unsigned base, unsigned n) {
  std::vector<PioRequest> requests;
  for (unsigned size = 1; size <= n; ++size) {
    for (unsigned alignment = 1; alignment <= n; alignment *= 2) {
      for (const Match match : {Match::kFirst, Match::kLast}) {
        for (unsigned first = 0; first < n; ++first) {
          for (unsigned last = first; last < n; ++last) {
            const PioRange within = ports(base + first, base + last);
            requests.push_back({.size = size, .alignment = alignment, .match = match, .within = within});
          }
        }
      }
      for (unsigned at = 0; at < n; ++at)
        requests.push_back({.size = size, .alignment = alignment, .at = port(base + at)});
    }
  }
  return requests;
}

// Calls visit(allocations) for each way to cut the addresses [at, end) into allocations and holes.
template <typename Visit>
void every_state(unsigned at, unsigned end, std::vector<PioRange>& allocations, const Visit& visit) {
  if (at == end) return visit(allocations);
  every_state(at + 1, end, allocations, visit);
  for (unsigned last = at; last < end; ++last) {
    allocations.push_back(ports(at, last));
    every_state(last + 1, end, allocations, visit);
    allocations.pop_back();
  }
}

// Every request, every free and every update in every state that a small space can be in.
void check_every_state(unsigned base, unsigned n) {
  const std::vector<PioRequest> requests = every_request(base, n);
  unsigned states = 0;
  std::vector<PioRange> allocations;
  every_state(base, base + n, allocations, [&](const std::vector<PioRange>& state) {
    ++states;
    PioPair pair(ports(base, base + n - 1));
    for (const PioRange range : state) pair.allocate({.size = range.size(), .at = range.first()});
    for (const PioRequest& request : requests) {
      if (const auto got = pair.allocate(request)) pair.free(*got);
    }
    for (unsigned first = 0; first < n; ++first) {
      for (unsigned last = first; last < n; ++last) {
        const PioRange range = ports(base + first, base + last);
        for (const PioRange old : state) {
          if (pair.update(old, range)) pair.update(range, old);
        }
        if (pair.free(range)) pair.allocate({.size = range.size(), .at = range.first()});
      }
    }
    pair.compare();
    ASSERT_TRUE(pair.agreed) << "base " << base << " state " << states;
  });
  EXPECT_EQ(states, n == 7 ? 610u : 233u);  // every second Fibonacci number
}

TEST(AddressAllocatorModel, EveryOperationInEveryStateOfSevenAddresses) {
  check_every_state(0x13, 7);
}
TEST(AddressAllocatorModel, EveryOperationInEveryStateOfTheLastSevenPorts) {
  check_every_state(0x10000 - 7, 7);
}
TEST(AddressAllocatorModel, EveryOperationInEveryStateOfTheFirstSixPorts) {
  check_every_state(0, 6);
}

// Every history of three operations over twelve addresses.
TEST(AddressAllocatorModel, EveryShortHistoryOfTwelveAddresses) {
  std::vector<PioRequest> requests;
  for (const Match match : {Match::kFirst, Match::kLast}) {
    for (const std::uint64_t size : {1u, 2u, 3u, 5u, 12u})
      for (const std::uint64_t alignment : {1u, 2u, 4u})
        requests.push_back({.size = size, .alignment = alignment, .match = match});
    requests.push_back({.size = 2, .match = match, .within = ports(3, 7)});
    requests.push_back({.size = 2, .alignment = 4, .match = match, .within = ports(5, 11)});
  }
  for (unsigned at = 0; at < 12; at += 3) requests.push_back({.size = 4, .at = port(at)});
  const auto operations = static_cast<unsigned>(requests.size()) + 4;
  for (unsigned history = 0; history < operations * operations * operations; ++history) {
    PioPair pair(ports(0, 11));
    std::vector<PioRange> got;
    for (unsigned rest = history, step = 0; step < 3; ++step, rest /= operations) {
      const unsigned operation = rest % operations;
      if (operation < requests.size()) {
        if (const auto range = pair.allocate(requests[operation])) got.push_back(*range);
      } else if (!got.empty()) {
        const PioRange old = operation % 2 == 0 ? got.front() : got.back();
        if (operation < requests.size() + 2) {
          pair.free(old);  // again and again: the second time must fail
        } else {
          pair.update(old, ports(6, 8));
        }
      }
    }
    pair.compare();
    ASSERT_TRUE(pair.agreed) << "history " << history;
  }
}

// A long random history: grows, shrinks and grows again, through trees of several levels.
template <typename A>
void check_random_history(Range<A> managed, std::uint64_t max_size, unsigned live, unsigned steps, unsigned seed) {
  using Value = typename A::Value;
  std::mt19937_64 random(seed);
  const auto below = [&random](std::uint64_t bound) { return random() % bound; };
  const auto somewhere = [&] { return A(static_cast<Value>(managed.first().value() + below(managed.size()))); };
  test::AddressPair<A> pair(managed);
  std::vector<Range<A>> got;
  for (unsigned step = 0; step < steps; ++step) {
    const bool shrink = got.size() >= live || (step / live % 3 == 1 && !got.empty());
    if (shrink && below(8) != 0) {
      const std::size_t i = below(got.size());
      ASSERT_TRUE(pair.free(got[i]));
      got[i] = got.back();
      got.pop_back();
      continue;
    }
    AddressRequest<A> request{.size = 1 + below(max_size), .match = below(3) == 0 ? Match::kLast : Match::kFirst};
    if (below(2) == 0) request.size = std::uint64_t{1} << below(static_cast<std::uint64_t>(std::bit_width(max_size)));
    if (below(2) == 0) request.alignment = std::bit_ceil(request.size);
    if (below(8) == 0) request.alignment = std::uint64_t{1} << below(8);
    if (below(6) == 0) request.at = somewhere();
    if (below(6) == 0) {
      const A a = somewhere();
      const A b = somewhere();
      request.within = *Range<A>::from_bounds(std::min(a, b), std::max(a, b));
    }
    if (below(16) == 0 && !got.empty()) {
      Range<A>& old = got[below(got.size())];
      const auto now = Range<A>::from_size(request.at.value_or(old.first()), request.size);
      if (now && pair.update(old, *now)) old = *now;
    } else if (const auto range = pair.allocate(request)) {
      got.push_back(*range);
    }
    if (step % 512 == 0) pair.compare();
    ASSERT_TRUE(pair.agreed) << "step " << step;
  }
  while (!got.empty()) {
    ASSERT_TRUE(pair.free(got.back()));
    got.pop_back();
  }
  pair.compare();
  ASSERT_TRUE(pair.agreed);
  EXPECT_EQ(pair.real.holes(), std::vector{managed});
}

TEST(AddressAllocatorModel, LongRandomHistoryOfThePorts) {
  check_random_history(PioRange::all(), 4, 1200, 12'000, 1);
}

TEST(AddressAllocatorModel, LongRandomHistoryOfTheWholeMemoryBus) {
  check_random_history(MmioRange::all(), 1ull << 62, 300, 12'000, 2);
  check_random_history(MmioRange::all(), ~0ull >> 9, 800, 12'000, 3);
}

TEST(AddressAllocatorModel, LongRandomHistoryOfAFullWindowAtTheTop) {
  check_random_history(MmioRange::constant(0xffff'ffff'ffff'f801, ~0ull), 3, 1500, 15'000, 4);
}

// Enough allocations for a tree of four levels, filled from both ends, emptied at random.
TEST(AddressAllocatorModel, FortyThousandAllocations) {
  constexpr std::uint64_t kLast = 40'000 * 0x1000 - 1;
  AddressAllocator<MmioAddress> real("space", MmioRange::constant(0, kLast));
  std::vector<MmioRange> got;
  for (unsigned i = 0; i < 40'000; ++i) {
    const Match match = i % 2 == 0 ? Match::kFirst : Match::kLast;
    got.push_back(real.allocate({.size = 0x1000, .alignment = 0x1000, .match = match}).value());
    const std::uint64_t expected = i % 2 == 0 ? i / 2 * 0x1000ull : kLast - 0xfff - i / 2 * 0x1000ull;
    ASSERT_EQ(got.back().first().value(), expected);
  }
  std::shuffle(got.begin(), got.end(), std::mt19937(5));
  std::set<MmioAddress> free;
  for (unsigned i = 0; i < 20'000; ++i) {
    ASSERT_TRUE(real.free(got[i]));
    free.insert(got[i].first());
  }
  for (unsigned i = 0; i < 20'000; ++i) {
    const auto again = real.allocate({.size = 0x1000, .alignment = 0x1000}).value();
    ASSERT_EQ(again.first(), *free.begin());
    free.erase(free.begin());
  }
  for (const MmioRange range : got) ASSERT_TRUE(real.free(range));
  EXPECT_EQ(real.holes(), std::vector{MmioRange::constant(0, kLast)});
}

}  // namespace
}  // namespace keel
