// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Allocates, frees and moves ranges at random, in a space of 64 Ki ports or of up to 2^64 addresses, beside the naive
// model. Both must agree on every answer and, in the end, on who has what.

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "unit/resource/address_pair.h"
#include "keel/base/check.h"

namespace keel {
namespace {

template <typename A>
class Session {
 public:
  explicit Session(FuzzedDataProvider& input) : input_(input), pair_(any_range()) {}

  void run() {
    for (int i = 0; i < 400 && input_.remaining_bytes() > 0; ++i) {
      step();
      check(pair_.agreed, "allocator and model differ");
      if (i % 16 == 0) pair_.compare();
    }
    pair_.compare();
    check(pair_.agreed, "allocator and model differ in what is taken");
    for (const Range<A> range : taken_) check(pair_.free(range), "what was taken can be given back");
    check(pair_.real.allocation_count() == 0 && pair_.real.holes() == std::vector{pair_.real.managed()},
          "an emptied space is one hole");
  }

 private:
  using Rep = typename A::Value;

  void step() {
    switch (input_.ConsumeIntegralInRange(0, 6)) {
      case 0:
      case 1:
      case 2:
        if (const auto got = pair_.allocate(any_request())) taken_.push_back(*got);
        break;
      case 3:
        if (!taken_.empty()) give_back(any_taken());
        break;
      case 4:
        (void)pair_.free(any_range());  // most often not an allocation
        forget_freed();
        break;
      case 5: {
        if (taken_.empty()) break;
        const std::size_t at = any_taken();
        const Range<A> now = any_range();
        if (pair_.update(taken_[at], now)) taken_[at] = now;
        break;
      }
      default: give_back_many();
    }
  }

  AddressRequest<A> any_request() {
    AddressRequest<A> request;
    const auto order = input_.ConsumeIntegralInRange<unsigned>(0, std::numeric_limits<Rep>::digits - 1);
    request.size = input_.ConsumeBool() ? std::uint64_t{1} << order : input_.ConsumeIntegral<Rep>();
    request.alignment =
        input_.ConsumeBool() ? std::uint64_t{1} << order : std::uint64_t{1} << input_.ConsumeIntegralInRange(0, 63);
    request.match = input_.ConsumeBool() ? Match::kFirst : Match::kLast;
    if (input_.ConsumeIntegralInRange(0, 3) == 0) request.at = near();
    if (input_.ConsumeIntegralInRange(0, 3) == 0) request.within = any_range();
    return request;
  }
  Range<A> any_range() {
    const A a = near(), b = near();
    return *Range<A>::from_bounds(std::min(a, b), std::max(a, b));
  }
  // An address at random, or right beside what is taken.
  A near() {
    if (taken_.empty() || input_.ConsumeBool()) return A(input_.ConsumeIntegral<Rep>());
    const Range<A> range = taken_[any_taken()];
    const Rep edge = input_.ConsumeBool() ? range.first().value() : range.last().value();
    return A(static_cast<Rep>(edge + input_.ConsumeIntegralInRange<Rep>(0, 2) - 1));
  }
  std::size_t any_taken() { return input_.ConsumeIntegralInRange<std::size_t>(0, taken_.size() - 1); }

  void give_back(std::size_t at) {
    check(pair_.free(taken_[at]), "what was taken can be given back");
    taken_[at] = taken_.back();
    taken_.pop_back();
  }
  void give_back_many() {
    while (taken_.size() > 4) give_back(any_taken());
  }
  void forget_freed() {
    std::erase_if(taken_, [&](Range<A> range) { return !pair_.real.find(range.first()); });
  }

  FuzzedDataProvider& input_;
  std::vector<Range<A>> taken_;
  test::AddressPair<A> pair_;
};

}  // namespace
}  // namespace keel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  if (input.ConsumeBool())
    keel::Session<keel::PioAddress>(input).run();
  else
    keel::Session<keel::MmioAddress>(input).run();
  return 0;
}
