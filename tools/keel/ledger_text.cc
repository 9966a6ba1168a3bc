// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel/ledger_text.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "keel/bus/bus.h"

namespace keel::tool {
namespace {

constexpr std::size_t kLabelColumns = 39;
// Of a range, the busiest: a machine may have hundreds of vCPUs.
constexpr std::size_t kMostThreads = 8;

std::string microseconds(const AccessTotals& totals) {
  return fmt::format("{:.1f}", std::chrono::duration<double, std::micro>(totals.time).count());
}

std::uint64_t accesses(const Traffic& traffic) {
  return traffic.reads.count + traffic.writes.count;
}

class LedgerText {
 public:
  explicit LedgerText(const IoLedger& ledger) : ledger_(ledger) {}

  std::string text() && {
    row("accesses", "reads", "writes", "read us", "write us");
    put_bus(ledger_.pio);
    put_bus(ledger_.mmio);
    put_unclaimed(ledger_.pio);
    put_unclaimed(ledger_.mmio);
    if (ledger_.too_deep != 0) fmt::format_to(out_, "  {} refused: from handlers nested too deep\n", ledger_.too_deep);
    return std::move(text_);
  }

 private:
  // The numbers of a long label stand below it.
  template <typename Count>
  void row(std::string_view label, Count reads, Count writes, std::string_view read_time, std::string_view write_time) {
    if (label.size() > kLabelColumns) fmt::format_to(out_, "{}\n", std::exchange(label, ""));
    fmt::format_to(out_, "{:<{}} {:>9} {:>9} {:>9} {:>9}", label, kLabelColumns, reads, writes, read_time, write_time);
    text_.erase(text_.find_last_not_of(' ') + 1);
    text_ += '\n';
  }

  void put(std::string_view label, const Traffic& traffic) {
    if (accesses(traffic) == 0) return;
    row(label, traffic.reads.count, traffic.writes.count, microseconds(traffic.reads), microseconds(traffic.writes));
  }

  template <typename A>
  void put_bus(const BusLedger<A>& bus) {
    constexpr const char* kBus = BusTraits<A>::kName;
    for (const auto& range : bus.ranges) {
      put(fmt::format("  {} {} {}", kBus, range.range, range.owner), range.traffic);
      put_threads(range.by_thread);
    }
    for (const auto& range : bus.removed)
      put(fmt::format("  {} {} {} (removed)", kBus, range.range, range.owner), range.traffic);
    put(fmt::format("  {} (removed earlier)", kBus), bus.removed_earlier);
  }

  void put_threads(std::vector<ThreadTraffic> shares) {
    std::ranges::sort(shares, [](const ThreadTraffic& a, const ThreadTraffic& b) {
      return std::pair(accesses(b.traffic), a.thread) < std::pair(accesses(a.traffic), b.thread);
    });
    const std::size_t shown = std::min(shares.size(), kMostThreads);
    for (const ThreadTraffic& share : std::span(shares).first(shown))
      put(fmt::format("    {}", ledger_.threads[share.thread]), share.traffic);
    Traffic rest;
    for (const ThreadTraffic& share : std::span(shares).subspan(shown)) rest += share.traffic;
    put(fmt::format("    {} other threads", shares.size() - shown), rest);
  }

  template <typename A>
  void put_unclaimed(const BusLedger<A>& bus) {
    if (bus.unclaimed_reads == 0 && bus.unclaimed_writes == 0) return;
    row(fmt::format("  {} (nobody)", BusTraits<A>::kName), bus.unclaimed_reads, bus.unclaimed_writes, "", "");
    for (const auto& at : bus.unclaimed) row(fmt::format("    {}", at.address), at.reads, at.writes, "", "");
  }

  const IoLedger& ledger_;
  std::string text_;
  std::back_insert_iterator<std::string> out_{text_};
};

}  // namespace

std::string to_text(const IoLedger& ledger) {
  return LedgerText(ledger).text();
}

}  // namespace keel::tool
