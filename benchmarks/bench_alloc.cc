// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// What allocating and freeing cost: Keel's allocators beside linear references (a first-fit walk over an ordered list,
// a scan over a bit vector), on the same requests in the same run, samples of both interleaved. Every answer is checked
// against the reference's before anything is timed.

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "benchmarks/interleave.h"
#include "keel/base/check.h"
#include "keel/resource/address_allocator.h"
#include "keel/resource/id_allocator.h"

namespace keel::bench {
namespace {

constexpr MmioRange kManaged = MmioRange::constant(0x1'0000'0000, 0xff'ffff'ffff);

template <typename F>
double ns_per(std::size_t operations, F&& work) {
  const double start = now_ns();
  work();
  return (now_ns() - start) / static_cast<double>(operations);
}

// Ranges, as the peers keep them: an ordered list, walked from its start.
class LinearRanges {
 public:
  std::uint64_t allocate(std::uint64_t size) {
    std::uint64_t at = kManaged.first().value();  // every range here is a power of two aligned to its size
    for (const auto& [first, last] : taken_) {
      at = (at + size - 1) & ~(size - 1);
      if (at + size <= first) break;
      at = last + 1;
    }
    at = (at + size - 1) & ~(size - 1);
    taken_.emplace(at, at + size - 1);
    return at;
  }
  void free(std::uint64_t at, std::uint64_t) { taken_.erase(at); }

 private:
  std::map<std::uint64_t, std::uint64_t> taken_;
};

class KeelRanges {
 public:
  explicit KeelRanges(std::string_view owner) : owner_(owner) {}

  std::uint64_t allocate(std::uint64_t size) {
    return allocator_.allocate({.size = size, .alignment = size, .owner = owner_})->first().value();
  }
  void free(std::uint64_t at, std::uint64_t size) { check(allocator_.free(MmioAddress(at), size).has_value(), "free"); }
  [[nodiscard]] std::uint64_t memory() const { return allocator_.memory(); }

 private:
  AddressAllocator<MmioAddress> allocator_{"mmio", kManaged};
  std::string_view owner_;
};

struct LinearIds {
  std::vector<bool> taken;
  std::uint32_t allocate() {
    const auto at = std::find(taken.begin(), taken.end(), false);
    const auto id = static_cast<std::uint32_t>(at - taken.begin());
    if (at == taken.end()) taken.push_back(false);
    taken[id] = true;
    return id;
  }
  void free(std::uint32_t id) { taken[id] = false; }
};

struct KeelIds {
  IdAllocator<Gsi> ids{"id", IdRange<Gsi>::constant(0, 0xffff'ffff)};
  std::uint32_t allocate() { return ids.allocate()->value(); }
  void free(std::uint32_t id) { check(ids.free(Gsi(id)).has_value(), "free"); }
};

// A population of `live` ranges from which `batch` random ones are freed, then as many of the same sizes allocated.
template <typename Ranges>
class Population {
 public:
  Population(Ranges ranges, std::size_t live, std::size_t batch, bool mixed)
      : ranges_(std::move(ranges)), batch_(batch), mixed_(mixed) {
    for (std::size_t i = 0; i < live; ++i) {
      const std::uint64_t size = next_size();
      live_.push_back({ranges_.allocate(size), size});
    }
  }

  // One turn: returns what allocating one and what freeing one took.
  std::pair<double, double> turn() {
    for (std::size_t i = 0; i < batch_; ++i)
      std::swap(live_[live_.size() - 1 - i], live_[random_() % (live_.size() - i)]);
    Range* const chosen = &live_[live_.size() - batch_];
    const double free_ns = ns_per(batch_, [&] {
      for (std::size_t i = 0; i < batch_; ++i) ranges_.free(chosen[i].at, chosen[i].size);
    });
    for (std::size_t i = 0; i < batch_; ++i) chosen[i].size = next_size();
    const double allocate_ns = ns_per(batch_, [&] {
      for (std::size_t i = 0; i < batch_; ++i) chosen[i].at = ranges_.allocate(chosen[i].size);
    });
    return {allocate_ns, free_ns};
  }
  // Where everything is: equal histories must lead to equal sums.
  [[nodiscard]] std::uint64_t sum() const {
    std::uint64_t sum = 0;
    for (const Range& range : live_) sum = sum * 31 + range.at;
    return sum;
  }
  [[nodiscard]] const Ranges& ranges() const { return ranges_; }

 private:
  struct Range {
    std::uint64_t at;
    std::uint64_t size;
  };
  std::uint64_t next_size() { return mixed_ ? std::uint64_t{0x1000} << random_() % 9 : 0x1000; }

  Ranges ranges_;
  std::size_t batch_;
  bool mixed_;
  std::vector<Range> live_;
  std::mt19937_64 random_{42};
};

// A phase: what is done, its goal, and a sample per round of Keel and of the reference.
struct Phase {
  const char* name;
  double goal;
  std::vector<double> keel, linear;
};

void report_phases(Report& report, const std::string& name, const std::vector<Phase>& phases, double bytes) {
  for (const Phase& phase : phases) {
    report.row({name, phase.name}, {median(phase.keel), minimum(phase.keel), phase.goal, median(phase.linear),
                                    median(phase.linear) / median(phase.keel), bytes});
  }
}

void measure_ranges(Report& report, const std::string& name, std::size_t live, bool mixed, double goal,
                    std::string_view owner) {
  const std::size_t batch = std::max<std::size_t>(live / 10, 100);
  {
    Population<KeelRanges> keel(KeelRanges(owner), std::min<std::size_t>(live, 2000), 100, mixed);
    Population<LinearRanges> linear(LinearRanges(), std::min<std::size_t>(live, 2000), 100, mixed);
    for (int i = 0; i < 50; ++i) {
      keel.turn();
      linear.turn();
    }
    check(keel.sum() == linear.sum(), "Keel and the linear reference disagree about first-match");
  }
  std::vector<Phase> phases{{"allocate", goal, {}, {}}, {"free", goal, {}, {}}};
  Population<KeelRanges> keel(KeelRanges(owner), live, batch, mixed);
  Population<LinearRanges> linear(LinearRanges(), live, std::clamp<std::size_t>(1'000'000 / live, 8, batch), mixed);
  const std::size_t turns = std::max<std::size_t>(20'000 / batch, 2);
  for (unsigned round = 0; round < report.rounds(); ++round) {
    std::pair<double, double> sum{};
    keel.turn();  // warm after the reference's turn
    for (std::size_t i = 0; i < turns; ++i) {
      const auto [allocate_ns, free_ns] = keel.turn();
      sum.first += allocate_ns / static_cast<double>(turns);
      sum.second += free_ns / static_cast<double>(turns);
    }
    phases[0].keel.push_back(sum.first);
    phases[1].keel.push_back(sum.second);
    const auto [allocate_ns, free_ns] = linear.turn();
    phases[0].linear.push_back(allocate_ns);
    phases[1].linear.push_back(free_ns);
  }
  report_phases(report, name, phases, static_cast<double>(keel.ranges().memory()) / static_cast<double>(live));
}

// In order, then every second one in random order back and taken again.
template <typename Ids>
std::vector<double> id_turn(Ids& ids, std::size_t live, std::size_t batch, const std::vector<std::uint32_t>& order) {
  std::uint64_t sum = 0;
  const double in_order = ns_per(live, [&] {
    for (std::size_t i = 0; i < live; ++i) sum += ids.allocate();
  });
  check(sum == live * (live - 1) / 2, "ids do not come lowest first");
  const double free_ns = ns_per(batch, [&] {
    for (std::size_t i = 0; i < batch; ++i) ids.free(order[i]);
  });
  sum = 0;
  const double again = ns_per(batch, [&] {
    for (std::size_t i = 0; i < batch; ++i) sum += ids.allocate();
  });
  for (std::size_t i = 0; i < batch; ++i) sum -= order[i];
  check(sum == 0, "the ids that came back are not the ones given back");
  return {in_order, free_ns, again};
}

void measure_ids(Report& report, std::size_t live) {
  std::vector<Phase> phases{{"in order", 5, {}, {}}, {"free", 10, {}, {}}, {"again", 10, {}, {}}};
  std::vector<std::uint32_t> order(live);
  for (std::size_t i = 0; i < live; ++i) order[i] = static_cast<std::uint32_t>(i);
  std::shuffle(order.begin(), order.end(), std::mt19937(3));
  const std::size_t few = live / 10;  // the reference is quadratic
  std::vector<std::uint32_t> order_of_few;
  for (const std::uint32_t id : order)
    if (id < few) order_of_few.push_back(id);
  double bytes = 0;
  for (unsigned round = 0; round < report.rounds(); ++round) {
    KeelIds keel;
    const std::vector<double> ours = id_turn(keel, live, live / 2, order);
    LinearIds linear;
    const std::vector<double> theirs = id_turn(linear, few, few / 2, order_of_few);
    for (std::size_t i = 0; i < phases.size(); ++i) {
      phases[i].keel.push_back(ours[i]);
      phases[i].linear.push_back(theirs[i]);
    }
    bytes = static_cast<double>(keel.ids.memory()) / static_cast<double>(live);
  }
  report_phases(report, fmt::format("ids {}", live), phases, bytes);
}

void run(Report& report) {
  report.section("allocating and freeing, ns; linear by keel; heap bytes per live allocation",
                 {"live", "phase", "keel", "minimum", "goal", "linear", "ratio", "bytes"});
  measure_ranges(report, "first 1000", 1'000, false, 100, {});
  measure_ranges(report, "first 10000", 10'000, false, 120, {});
  measure_ranges(report, "first 100000", 100'000, false, 200, {});
  measure_ranges(report, "churn 10000", 10'000, true, 300, {});
  measure_ranges(report, "churn, owners", 10'000, true, 300, "net0");
  measure_ids(report, 100'000);
}

}  // namespace
}  // namespace keel::bench

int main(int argc, char** argv) {
  keel::bench::Report report(argc, argv, "Measures what allocating and freeing cost, beside linear references.", 15);
  keel::bench::run(report);
}
