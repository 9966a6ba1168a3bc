// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel/inspect_command.h"

#include <cstddef>
#include <cstdio>

#include <fmt/format.h>

#include "tools/keel/machine_map_json.h"
#include "tools/keel/machine_map_text.h"
#include "keel/backends/tap.h"
#include "keel/base/try.h"
#include "keel/vmm/ending.h"
#include "keel/vmm/guest_image.h"
#include "keel/vmm/machine_map.h"

namespace keel::tool {
namespace {

int report(const Error& error, int status) {
  fmt::print(stderr, "keel: {}\n", error.message());
  return status;
}

// Loads the kernel too: whoever inspects wants to hear what is wrong with it.
Result<GuestImage> load(const MachineOptions& options) {
  KEEL_TRY(const MachineConfig config, options.config());
  return GuestImage::load(config);
}

// What the map does not show, since it depends on something that is not there.
void print_notes(const MachineConfig& config) {
  for (std::size_t i = 0; i < config.networks.size(); ++i) {
    const auto& tap = config.networks[i].tap;
    if (!tap || config.cpus == 1 || tap_queue_pairs({.name = *tap})) continue;
    fmt::print(
        stderr,
        "keel: note: net{}: there is no tap {}; shown with one queue pair, of up to {} that it has where the tap "
        "is made with multi_queue\n",
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
  command_->footer("Needs no /dev/kvm.");
}

int InspectCommand::execute() {
  const auto image = load(machine_);
  if (!image) return report(image.error(), kWrongUseStatus);
  const auto map = map_machine(*image);
  if (!map) return report(map.error(), kWrongUseStatus);
  print_notes(image->config);
  fmt::print("{}", format_ == "json" ? to_json(*map) : to_text(*map));
  return 0;
}

}  // namespace keel::tool
