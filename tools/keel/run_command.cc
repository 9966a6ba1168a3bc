// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel/run_command.h"

#include <unistd.h>

#include <cstdio>

#include "tools/keel/run_stats.h"
#include "tools/keel/whole_run.h"
#include "keel/vmm/ending.h"

namespace keel::tool {

void RunCommand::add_to(CLI::App& app) {
  CLI::App* const command = app.add_subcommand("run", "Boot a Linux kernel with this terminal as its serial port");
  machine_.add_to(*command);
  command->add_flag("--stats", stats_, "at the end, print start-up time, exits, accesses and memory to standard error");
  command->footer("Ctrl-A x leaves the guest; Ctrl-A Ctrl-A types one Ctrl-A.");
}

int RunCommand::execute() {
  const auto config = machine_.config();
  if (!config) return report(config.error(), kWrongUseStatus);
  return run_whole(*config, machine_.kvm_device(), {.input = STDIN_FILENO, .output = STDOUT_FILENO},
                   [this](const Machine& machine) {
                     if (stats_) print_stats(stderr, machine, process_started_at_);
                   });
}

}  // namespace keel::tool
