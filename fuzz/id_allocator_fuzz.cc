// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Allocates, frees and moves ids and runs of ids at random beside a plain bit vector that is walked. Both must agree on
// every answer and on every id.

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "keel/base/check.h"
#include "keel/resource/id_allocator.h"

namespace keel {
namespace {

using Run = IdRange<std::uint32_t>;
using Request = IdRequest<std::uint32_t>;

class Model {
 public:
  explicit Model(Run managed) : managed_(managed), taken_(managed.count(), false) {}

  // What must be allocated for `request`, where anything can be.
  std::optional<Run> place(const Request& request) const {
    if (request.count == 0 || request.count > taken_.size()) return std::nullopt;
    for (std::uint64_t at = 0; at + request.count <= taken_.size(); ++at) {
      const Run run = *Run::from_count(managed_.at(static_cast<std::uint32_t>(at)), request.count);
      if (request.at && *request.at != run.first()) continue;
      if (request.within && !request.within->contains(run)) continue;
      if (is_all(run, false)) return run;
    }
    return std::nullopt;
  }
  bool is_all(Run run, bool taken) const {
    if (!managed_.contains(run)) return false;
    const auto first = taken_.begin() + (run.first() - managed_.first());
    return std::all_of(first, first + static_cast<std::ptrdiff_t>(run.count()), [&](bool is) { return is == taken; });
  }
  void set(Run run, bool taken) { std::fill_n(taken_.begin() + (run.first() - managed_.first()), run.count(), taken); }
  bool taken(std::size_t index) const { return taken_[index]; }
  std::size_t size() const { return taken_.size(); }

 private:
  Run managed_;
  std::vector<bool> taken_;
};

class Session {
 public:
  explicit Session(FuzzedDataProvider& input)
      : input_(input), managed_(any_managed()), real_("id", managed_), model_(managed_) {}

  void run() {
    for (int i = 0; i < 300 && input_.remaining_bytes() > 0; ++i) {
      step();
      if (i % 16 == 0) compare();
    }
    compare();
  }

 private:
  void step() {
    switch (input_.ConsumeIntegralInRange(0, 4)) {
      case 0: {
        const auto got = real_.allocate();
        const auto expected = model_.place({});
        check(got.has_value() == expected.has_value() && (!got || *got == expected->first()), "lowest free id");
        if (expected) model_.set(*expected, true);
        break;
      }
      case 1:
      case 2: {
        const Request request = any_request();
        const auto got = real_.allocate(request);
        const auto expected = model_.place(request);
        check(got.has_value() == expected.has_value() && (!got || *got == *expected), "lowest free run");
        if (expected) model_.set(*expected, true);
        break;
      }
      case 3: {
        const Run run = any_run();
        const bool expected = model_.is_all(run, true);
        check(real_.free(run).has_value() == expected, "a run is given back whole or not at all");
        if (expected) model_.set(run, false);
        break;
      }
      default: update();
    }
  }
  void update() {
    const Run old = any_run(), now = any_run();
    bool expected = model_.is_all(old, true);
    if (expected) {
      model_.set(old, false);
      expected = model_.is_all(now, false);
      model_.set(expected ? now : old, true);
    }
    check(real_.update(old, now).has_value() == expected, "an update happens whole or not at all");
  }
  void compare() {
    std::uint64_t taken = 0;
    for (std::size_t i = 0; i < model_.size(); ++i) {
      check(real_.is_taken(managed_.at(static_cast<std::uint32_t>(i))) == model_.taken(i), "who is taken");
      taken += model_.taken(i) ? 1u : 0u;
    }
    check(real_.taken_count() == taken && real_.free_count() == model_.size() - taken, "how many are taken");
  }

  Run any_managed() {
    const auto first = input_.ConsumeIntegral<std::uint32_t>();
    const auto most = std::min<std::uint64_t>(9000, 0x1'0000'0000ull - first);
    return *Run::from_count(first, input_.ConsumeIntegralInRange<std::uint64_t>(1, most));
  }
  // Most often inside the managed run, sometimes beyond.
  std::uint32_t any_id() {
    if (input_.ConsumeIntegralInRange(0, 15) == 0) return input_.ConsumeIntegral<std::uint32_t>();
    return managed_.first() + input_.ConsumeIntegralInRange<std::uint32_t>(0, managed_.last() - managed_.first());
  }
  Run any_run() {
    const std::uint32_t a = any_id();
    const std::uint32_t b = input_.ConsumeBool() ? a : any_id();
    return *Run::from_bounds(std::min(a, b), std::max(a, b));
  }
  Request any_request() {
    Request request;
    request.count = input_.ConsumeBool() ? input_.ConsumeIntegralInRange<std::uint64_t>(0, 200)
                                         : input_.ConsumeIntegral<std::uint64_t>();
    if (input_.ConsumeIntegralInRange(0, 2) == 0) request.at = any_id();
    if (input_.ConsumeIntegralInRange(0, 2) == 0) request.within = any_run();
    return request;
  }

  FuzzedDataProvider& input_;
  const Run managed_;
  IdAllocator<std::uint32_t> real_;
  Model model_;
};

}  // namespace
}  // namespace keel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  keel::Session(input).run();
  return 0;
}
