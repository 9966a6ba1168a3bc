// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel/inspect_command.h"

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "tools/keel/ledger_text.h"
#include "tools/keel/machine_map_json.h"
#include "tools/keel/machine_map_text.h"
#include "tools/keel/whole_run.h"
#include "keel/backends/tap.h"
#include "keel/vmm/ending.h"
#include "keel/vmm/guest_image.h"
#include "keel/vmm/machine_map.h"

namespace keel::tool {
namespace {

// What the map does not show, since it depends on something that is not there.
void print_notes(const MachineConfig& config) {
  for (std::size_t i = 0; i < config.networks.size(); ++i) {
    const auto& tap = config.networks[i].tap;
    if (!tap || config.cpus == 1 || tap_queue_pairs({.name = *tap})) continue;
    fmt::print(
        stderr,
        "keel: note: net{}: this host knows of no tap {}; shown with one queue pair, of up to {} that it has where the "
        "tap is made with multi_queue\n",
        i, *tap, config.cpus);
  }
}

}  // namespace

void InspectCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("inspect", "Print the machine that `run` would run: devices, addresses, interrupts");
  machine_.add_to(*command_);
  command_->add_option("--format", format_, "how to print it")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command_->add_flag("--stats", stats_, "run it to its end first, and print accesses by device and vCPU too");
  command_->footer(
      "Needs no /dev/kvm, but for --stats: there the guest prints on standard error and nobody types,\n"
      "and the exit status is that of `run`.");
}

int InspectCommand::execute() {
  auto config = machine_.config();
  if (!config) return report(config.error(), kWrongUseStatus);
  return stats_ ? run_and_print(std::move(*config)) : print(*config);
}

int InspectCommand::print(const MachineConfig& config) const {
  // The kernel too: whoever inspects wants to hear what is wrong with it.
  const auto image = GuestImage::load(config);
  if (!image) return report(image.error(), kWrongUseStatus);
  const auto map = map_machine(*image);
  if (!map) return report(map.error(), layout_status(map.error()));
  print_notes(config);
  fmt::print("{}", as_json() ? to_json(*map) : to_text(*map));
  return 0;
}

int InspectCommand::run_and_print(MachineConfig config) const {
  // Standard output is the report's.
  if (config.console_output) config.console_output = STDERR_FILENO;
  return run_whole(config, machine_.kvm_device(), {.input = -1, .output = STDERR_FILENO},
                   [this](const Machine& machine) {
                     const MachineMap map = machine.map();
                     const IoLedger ledger = machine.ledger();
                     fmt::print("{}", as_json() ? to_json(map, &ledger) : to_text(map) + "\n" + to_text(ledger));
                   });
}

}  // namespace keel::tool
