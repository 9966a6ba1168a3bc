// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <map>
#include <optional>

#include "unit/resource/address_model.h"
#include "keel/resource/address_allocator.h"

namespace keel::test {

// An allocator and the naive model beside it, asked the same; `agreed` turns false with the first difference.
template <typename A>
struct AddressPair {
  explicit AddressPair(Range<A> managed) : real("space", managed), model(managed) {}

  // The range both agreed on.
  std::optional<Range<A>> allocate(const AddressRequest<A>& request) {
    const auto expected = model.allocate(request);
    const auto got = real.allocate(request);
    agreed = agreed && got.has_value() == expected.has_value() && (!got || *got == *expected);
    return expected;
  }
  bool free(Range<A> range) {
    const bool expected = model.free(range);
    agreed = agreed && real.free(range).has_value() == expected;
    return expected;
  }
  bool update(Range<A> old, Range<A> now) {
    const bool expected = model.update(old, now);
    agreed = agreed && real.update(old, now).has_value() == expected;
    return expected;
  }
  // Allocations are the model's, and with the holes they cover the managed range without gap or overlap; no two holes
  // are neighbours.
  void compare() {
    std::map<A, A> taken;
    std::optional<A> previous_last;
    bool previous_was_hole = false;
    real.for_each([&](Range<A> range, const std::string_view* owner) {
      if (owner != nullptr) taken.emplace(range.first(), range.last());
      agreed = agreed && (previous_last ? range.first() == previous_last->checked_add(1)
                                        : range.first() == real.managed().first());
      agreed = agreed && !(previous_was_hole && owner == nullptr);
      previous_was_hole = owner == nullptr;
      previous_last = range.last();
    });
    agreed = agreed && previous_last == real.managed().last() && taken == model.taken() &&
             real.allocation_count() == taken.size();
  }

  AddressAllocator<A> real;
  AddressModel<A> model;
  bool agreed = true;
};

}  // namespace keel::test
