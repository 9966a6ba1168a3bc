// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel/whole_run.h"

#include <cstdio>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "keel/base/clock.h"
#include "keel/base/try.h"
#include "keel/kvm/system.h"
#include "keel/vmm/console.h"
#include "keel/vmm/guest_image.h"
#include "keel/vmm/machine_backends.h"
#include "keel/vmm/machine_map.h"

namespace keel::tool {
namespace {

Result<Ending> run_to_end(Machine& machine, FdSerialOutput& output, int input, ConsoleResult& console) {
  KEEL_TRY_VOID(block_console_signals());
  auto console_result = run_console(machine, output, input);
  if (!console_result) {
    output.abandon();
    machine.stop(console_result.error().message());
  }
  Ending ending = machine.wait();
  KEEL_TRY(console, std::move(console_result));
  return ending;
}

// Of a host that did not make the machine. Whether any could is looked at only now, for the sake of those that start.
int report_unmade(const Error& error, const MachineConfig& config) {
  const auto image = GuestImage::load(config);
  const auto map = image ? map_machine(*image) : std::unexpected(image.error());
  if (!map && layout_status(map.error()) == kWrongUseStatus) return report(map.error(), kWrongUseStatus);
  return report(error, exit_status(EndReason::kFailed));
}

}  // namespace

int report(const Error& error, int status) {
  fmt::print(stderr, "keel: {}\n", error.message());
  return status;
}

int layout_status(const Error& error) {
  return error.code() == ErrorCode::kIo ? exit_status(EndReason::kFailed) : kWrongUseStatus;
}

int run_whole(const MachineConfig& config, const std::string& kvm_device, Streams streams,
              const std::function<void(const Machine&)>& at_end) {
  const SystemClock clock;
  auto image = GuestImage::load(config);
  if (!image) return report(image.error(), kWrongUseStatus);
  auto backends = MachineBackends::open(config);
  if (!backends) return report(backends.error(), kWrongUseStatus);
  auto system = kvm::System::open(kvm_device);
  if (!system) return report_unmade(system.error(), config);

  auto output = FdSerialOutput::create(streams.output);
  if (!output) return report(output.error(), exit_status(EndReason::kFailed));
  auto machine = Machine::create(*system, std::move(*image), *output, clock, std::move(*backends));
  if (!machine) return report_unmade(machine.error(), config);

  ConsoleResult console;
  const auto ending = run_to_end(**machine, *output, streams.input, console);
  if (!ending) return report(ending.error(), exit_status(EndReason::kFailed));
  if (ending->reason != EndReason::kPowerOff) fmt::print(stderr, "keel: {}\n", ending->detail);
  at_end(**machine);
  return exit_status(ending->reason, console);
}

}  // namespace keel::tool
