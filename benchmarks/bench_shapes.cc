// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Shapes of table that could lead from an address to its range, without what a bus needs around them: the ones that
// were not chosen, beside the one that was. docs/decisions/dispatch-table.md discusses the figures.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include <fmt/format.h>

#include "benchmarks/interleave.h"
#include "src/bus/route_table.h"

namespace keel::bench {
namespace {

struct Extent {
  std::uint64_t first;
  std::uint64_t last;
};
constexpr std::uint32_t kNobody = ~0u;

// Every shape: find(address) is the index of the extent that holds it, or kNobody.

class OrderedMap {
 public:
  explicit OrderedMap(const std::vector<Extent>& extents) {
    for (std::uint32_t i = 0; i < extents.size(); ++i) map_.emplace(extents[i].first, Entry{extents[i].last, i});
  }
  [[nodiscard]] std::uint32_t find(std::uint64_t address) const {
    auto it = map_.upper_bound(address);
    if (it == map_.begin()) return kNobody;
    --it;
    return address <= it->second.last ? it->second.index : kNobody;
  }

 private:
  struct Entry {
    std::uint64_t last;
    std::uint32_t index;
  };
  std::map<std::uint64_t, Entry> map_;
};

// Binary search over the first addresses, each step a conditional move.
class SortedFlat {
 public:
  explicit SortedFlat(const std::vector<Extent>& extents) : extents_(extents) {
    for (const Extent& extent : extents) first_.push_back(extent.first);
  }
  [[nodiscard]] std::uint32_t find(std::uint64_t address) const {
    const std::uint64_t* base = first_.data();
    for (std::size_t length = first_.size(); length > 1;) {
      const std::size_t half = length / 2;
      base += base[half] <= address ? half : 0;
      length -= half;
    }
    const auto index = static_cast<std::uint32_t>(base - first_.data());
    return extents_[index].first <= address && address <= extents_[index].last ? index : kNobody;
  }

 private:
  std::vector<std::uint64_t> first_;
  std::vector<Extent> extents_;
};

// The same, in the order in which a binary search visits: the first steps share cache lines.
class Eytzinger {
 public:
  explicit Eytzinger(const std::vector<Extent>& extents)
      : first_(extents.size() + 1), index_(extents.size() + 1), extents_(extents) {
    std::uint32_t next = 0;
    fill(1, next);
  }
  [[nodiscard]] std::uint32_t find(std::uint64_t address) const {
    std::size_t at = 1;
    while (at < first_.size()) at = 2 * at + (first_[at] <= address ? 1 : 0);
    at >>= std::countr_zero(at) + 1;  // the last turn to the right
    if (at == 0) return kNobody;
    const std::uint32_t index = index_[at];
    return address <= extents_[index].last ? index : kNobody;
  }

 private:
  void fill(std::size_t at, std::uint32_t& next) {
    if (at >= first_.size()) return;
    fill(2 * at, next);
    first_[at] = extents_[next].first;
    index_[at] = next++;
    fill(2 * at + 1, next);
  }
  std::vector<std::uint64_t> first_;
  std::vector<std::uint32_t> index_;
  std::vector<Extent> extents_;
};

// One entry per 4 KiB page from the first range to the last. Ranges here are whole pages; a real one would need a
// second table for pages that are shared, and cannot span a machine's address space.
class PageIndexed {
 public:
  explicit PageIndexed(const std::vector<Extent>& extents)
      : base_(extents.front().first >> 12),
        pages_((extents.back().last >> 12) - base_ + 1, kNobody),
        extents_(extents) {
    for (std::uint32_t i = 0; i < extents.size(); ++i)
      for (std::uint64_t page = extents[i].first >> 12; page <= extents[i].last >> 12; ++page) pages_[page - base_] = i;
  }
  [[nodiscard]] std::uint32_t find(std::uint64_t address) const {
    const std::uint64_t page = (address >> 12) - base_;
    return page < pages_.size() ? pages_[page] : kNobody;
  }

 private:
  std::uint64_t base_;
  std::vector<std::uint32_t> pages_;
  std::vector<Extent> extents_;
};

// Remembers who was found last; asks a sorted table otherwise. One memory per thread in a real bus.
class LastHit {
 public:
  explicit LastHit(const std::vector<Extent>& extents) : table_(extents), extents_(extents) {}
  [[nodiscard]] std::uint32_t find(std::uint64_t address) const {
    const Extent& last = extents_[last_];
    if (last.first <= address && address <= last.last) return last_;
    const std::uint32_t found = table_.find(address);
    if (found != kNobody) last_ = found;
    return found;
  }

 private:
  SortedFlat table_;
  std::vector<Extent> extents_;
  mutable std::uint32_t last_ = 0;
};

// Keel's: routes carry their index where a bus has its counter.
class AdaptiveRadix {
 public:
  explicit AdaptiveRadix(const std::vector<Extent>& extents) : table_(routes(extents)) {}
  [[nodiscard]] std::uint32_t find(std::uint64_t address) const {
    const detail::Route& route = detail::resolve(table_.index().candidate(address), address);
    return route.claims(address, 1) ? route.cell : kNobody;
  }

 private:
  static std::vector<detail::Route> routes(const std::vector<Extent>& extents) {
    std::vector<detail::Route> routes;
    for (std::uint32_t i = 0; i < extents.size(); ++i) {
      routes.push_back({.first = extents[i].first,
                        .length = extents[i].last - extents[i].first + 1,
                        .target = nullptr,
                        .cell = i,
                        .kind = detail::Route::Kind::kRange});
    }
    return routes;
  }
  detail::RouteTable table_;
};

struct Question {
  std::uint64_t address;
  std::uint32_t answer;
};

template <typename Shape>
[[gnu::noinline]] std::uint64_t ask(const Shape& shape, const std::vector<Question>& questions) {
  std::uint64_t wrong = 0;
  for (const Question& question : questions) wrong += shape.find(question.address) != question.answer ? 1u : 0u;
  return wrong;
}

// The floor: reading the question and the answer, without any search.
struct Known {
  [[nodiscard]] std::uint32_t find(std::uint64_t address) const {
    return static_cast<std::uint32_t>(address >> 40);  // questions for the floor carry their answer there
  }
};

std::vector<Question> questions(const std::vector<Extent>& extents, std::size_t of) {
  std::mt19937_64 random(1);
  std::vector<Question> questions(8192);
  for (Question& question : questions) {
    question.answer = static_cast<std::uint32_t>(random() % of);
    const Extent& extent = extents[question.answer];
    question.address = extent.first + random() % (extent.last - extent.first + 1);
  }
  return questions;
}

std::vector<Extent> windows(std::uint32_t count, std::uint64_t stride) {
  std::vector<Extent> extents;
  for (std::uint64_t i = 0; i < count; ++i) extents.push_back({0xd0000000 + i * stride, 0xd0000fff + i * stride});
  return extents;
}
// Windows below 4 GiB, an IOAPIC, and wide BARs above: what a page table cannot span.
std::vector<Extent> machine() {
  std::vector<Extent> extents = windows(32, 0x1000);
  extents.push_back({0xfec00000, 0xfec00fff});
  for (std::uint64_t i = 0; i < 8; ++i)
    extents.push_back({(64ull << 30) + (i << 28), (64ull << 30) + (i << 28) + 0xfffffff});
  return extents;
}

void compare(Report& report, const std::string& layout, const std::vector<Extent>& extents, bool pages) {
  const auto random = questions(extents, extents.size());
  const auto hot = questions(extents, 1);
  std::vector<Question> known = random;
  for (Question& question : known) question.address = std::uint64_t{question.answer} << 40;
  const Known floor;
  const OrderedMap map(extents);
  const SortedFlat flat(extents);
  const Eytzinger eytzinger(extents);
  const std::optional<PageIndexed> paged = pages ? std::optional<PageIndexed>(extents) : std::nullopt;
  const LastHit last_hit(extents);
  const AdaptiveRadix radix(extents);
  std::vector<Contender> contenders{{"floor", [&] { return ask(floor, known); }}};
  const auto add = [&](const char* name, const auto& shape) {
    contenders.push_back({fmt::format("{} random", name), [&] { return ask(shape, random); }});
    contenders.push_back({fmt::format("{} hot", name), [&] { return ask(shape, hot); }});
  };
  add("map", map);
  add("flat", flat);
  add("eytzinger", eytzinger);
  if (paged) add("paged", *paged);
  add("last hit", last_hit);
  add("radix", radix);
  for (const Figure& figure : interleave(contenders, random.size(), report.rounds()))
    report.row({layout, figure.name}, {figure.median_ns, figure.minimum_ns});
}

}  // namespace
}  // namespace keel::bench

int main(int argc, char** argv) {
  using namespace keel::bench;
  Report report(argc, argv, "Compares shapes of dispatch table.", 200);
  report.section("finding the range of an address, ns", {"ranges", "shape", "median", "minimum"});
  for (const std::uint32_t count : {1u, 8u, 32u, 256u, 4096u}) {
    compare(report, fmt::format("{}", count), windows(count, 0x1000), true);
    compare(report, fmt::format("{} holes", count), windows(count, 0x3000), true);
  }
  compare(report, "a machine", machine(), false);
}
