// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel/run_command.h"

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "tools/keel/run_stats.h"
#include "keel/base/clock.h"
#include "keel/base/try.h"
#include "keel/kvm/system.h"
#include "keel/vmm/console.h"
#include "keel/vmm/guest_image.h"
#include "keel/vmm/machine.h"
#include "keel/vmm/machine_backends.h"
#include "keel/vmm/machine_map.h"

namespace keel::tool {
namespace {

int report(const Error& error, int status) {
  fmt::print(stderr, "keel: {}\n", error.message());
  return status;
}

Result<Ending> run_to_end(Machine& machine, FdSerialOutput& output, ConsoleResult& console) {
  KEEL_TRY_VOID(block_console_signals());
  KEEL_TRY_VOID(machine.start());
  auto console_result = run_console(machine, output, STDIN_FILENO);
  if (!console_result) {
    output.abandon();
    machine.stop(console_result.error().message());
  }
  Ending ending = machine.wait();
  KEEL_TRY(console, std::move(console_result));
  return ending;
}

}  // namespace

void RunCommand::add_to(CLI::App& app) {
  CLI::App* const command = app.add_subcommand("run", "Boot a Linux kernel with this terminal as its serial port");
  machine_.add_to(*command);
  command->add_option("--kvm", kvm_device_, "the KVM device")->type_name("FILE")->capture_default_str();
  command->add_flag("--stats", stats_, "at the end, print start-up time, exits and memory to standard error");
  command->footer("Ctrl-A x leaves the guest; Ctrl-A Ctrl-A types one Ctrl-A.");
}

int RunCommand::execute() {
  const SystemClock clock;
  auto configuration = machine_.config();
  if (!configuration) return report(configuration.error(), kWrongUseStatus);
  auto image = GuestImage::load(*configuration);
  if (!image) return report(image.error(), kWrongUseStatus);
  // Whether every device finds its place, and the command line has room for them, is known without KVM.
  if (const auto map = map_machine(*image); !map) return report(map.error(), kWrongUseStatus);
  auto backends = MachineBackends::open(*configuration);
  if (!backends) return report(backends.error(), kWrongUseStatus);
  auto system = kvm::System::open(kvm_device_);
  if (!system) return report(system.error(), exit_status(EndReason::kFailed));

  auto output = FdSerialOutput::create(STDOUT_FILENO);
  if (!output) return report(output.error(), exit_status(EndReason::kFailed));
  auto machine = Machine::create(*system, std::move(*image), *output, clock, std::move(*backends));
  if (!machine) return report(machine.error(), exit_status(EndReason::kFailed));

  ConsoleResult console;
  const auto ending = run_to_end(**machine, *output, console);
  if (!ending) return report(ending.error(), exit_status(EndReason::kFailed));
  if (ending->reason != EndReason::kPowerOff) fmt::print(stderr, "keel: {}\n", ending->detail);
  if (stats_) print_stats(stderr, **machine, process_started_at_);
  return exit_status(ending->reason, console);
}

}  // namespace keel::tool
