// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel/ledger_report.h"

#include <chrono>
#include <string>

#include <fmt/format.h>

namespace keel::tool {
namespace {

constexpr auto kRow = "  {:<4} {:<24} {:<10} {:>9} {:>9} {:>9} {:>9}\n";

std::string microseconds(const AccessTotals& totals) {
  return fmt::format("{:.1f}", std::chrono::duration<double, std::micro>(totals.time).count());
}

template <typename A>
void print_range(std::FILE* out, const char* bus, const RangeLedger<A>& range) {
  const Traffic& traffic = range.traffic;
  if (traffic.reads.count == 0 && traffic.writes.count == 0) return;
  fmt::print(out, kRow, bus, fmt::format("{}", range.range), range.owner, traffic.reads.count, traffic.writes.count,
             microseconds(traffic.reads), microseconds(traffic.writes));
}

template <typename A>
void print_bus(std::FILE* out, const char* bus, const BusLedger<A>& ledger) {
  for (const auto& range : ledger.ranges) print_range(out, bus, range);
  for (const auto& range : ledger.removed) print_range(out, bus, range);
}

template <typename A>
void print_unclaimed(std::FILE* out, const char* bus, const BusLedger<A>& ledger) {
  if (ledger.unclaimed_reads == 0 && ledger.unclaimed_writes == 0) return;
  fmt::print(out, kRow, bus, "", "(nobody)", ledger.unclaimed_reads, ledger.unclaimed_writes, "", "");
  for (const auto& address : ledger.unclaimed) {
    fmt::print(out, kRow, "", fmt::format("  {}", address.address), "", address.reads, address.writes, "", "");
  }
}

}  // namespace

void print_ledger(std::FILE* out, const IoLedger& ledger) {
  fmt::print(out, "accesses:\n");
  fmt::print(out, kRow, "bus", "range", "owner", "reads", "writes", "read us", "write us");
  print_bus(out, "pio", ledger.pio);
  print_bus(out, "mmio", ledger.mmio);
  print_unclaimed(out, "pio", ledger.pio);
  print_unclaimed(out, "mmio", ledger.mmio);
}

}  // namespace keel::tool
