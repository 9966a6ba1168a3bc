// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <functional>
#include <string>

#include "keel/base/error.h"
#include "keel/vmm/machine.h"
#include "keel/vmm/machine_config.h"

namespace keel::tool {

// Where a machine's terminal is.
struct Streams {
  int input;  // -1 for none
  int output;
};

// One line on standard error; returns `status`.
int report(const Error& error, int status);

// Of a process that map_machine() gave this error: the command line asks for too much, unless the host failed.
[[nodiscard]] int layout_status(const Error& error);

// Runs the machine to its end and then shows it to `at_end`. Says on standard error what went wrong, and how the guest
// ended where it did not power off; returns the process's exit status. One at a time in a process.
[[nodiscard]] int run_whole(const MachineConfig& config, const std::string& kvm_device, Streams streams,
                            const std::function<void(const Machine&)>& at_end);

}  // namespace keel::tool
