// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel/run_stats.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "tools/keel/ledger_text.h"
#include "keel/vmm/exit_counts.h"
#include "keel/vmm/host_usage.h"
#include "keel/vmm/port_exits.h"

namespace keel::tool {
namespace {

double milliseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

constexpr double kMega = 1e6;

void print_start_time(std::FILE* out, const Machine& machine, std::chrono::nanoseconds process_started_at) {
  const auto first = machine.first_instruction_at();
  if (!first) return;
  fmt::print(out, "process start to first guest instruction: {:.1f} ms\n", milliseconds(*first - process_started_at));
}

void print_exits(std::FILE* out, const ExitCounts& counts) {
  fmt::print(out, "exits: {}\n", counts.total());
  for (std::size_t i = 0; i < kExitKindNames.size(); ++i) {
    if (counts.by_kind[i] != 0) fmt::print(out, "  {:<12} {:>10}\n", kExitKindNames[i], counts.by_kind[i]);
  }
}

// A guest may touch all 65,536.
constexpr std::size_t kMostPorts = 32;

void print_ports(std::FILE* out, std::span<const PortExits> ports) {
  if (ports.empty()) return;
  fmt::print(out, "  by port {:>14} {:>10}\n", "reads", "writes");
  for (const PortExits& exits : ports.first(std::min(ports.size(), kMostPorts)))
    fmt::print(out, "  {:<12} {:>9} {:>10}\n", fmt::format("{}", exits.port), exits.reads, exits.writes);
  if (ports.size() <= kMostPorts) return;
  std::uint64_t rest = 0;
  for (const PortExits& exits : ports.subspan(kMostPorts)) rest += exits.total();
  fmt::print(out, "  and {} exits to {} other ports\n", rest, ports.size() - kMostPorts);
}

void print_memory(std::FILE* out, const GuestMemory& memory) {
  const auto usage = measure_host_usage(memory);
  if (!usage) {
    fmt::print(out, "memory: not known: {}\n", usage.error().message());
    return;
  }
  fmt::print(out, "memory: {:.2f} MB beyond the guest's own, which holds {:.1f} of {:.1f} MB\n",
             static_cast<double>(usage->beyond_guest) / kMega, static_cast<double>(usage->guest) / kMega,
             static_cast<double>(memory.total_size()) / kMega);
}

}  // namespace

void print_stats(std::FILE* out, const Machine& machine, std::chrono::nanoseconds process_started_at) {
  print_start_time(out, machine, process_started_at);
  print_exits(out, machine.exit_counts());
  print_ports(out, machine.exits_by_port());
  fmt::print(out, "{}", to_text(machine.ledger()));
  print_memory(out, machine.memory());
}

}  // namespace keel::tool
