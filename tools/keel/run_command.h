// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <chrono>

#include <CLI/CLI.hpp>

#include "tools/keel/machine_options.h"

namespace keel::tool {

// keel run: boots a kernel with the terminal as its serial port.
class RunCommand {
 public:
  // `process_started_at`: the monotonic time that --stats counts from.
  explicit RunCommand(std::chrono::nanoseconds process_started_at) noexcept : process_started_at_(process_started_at) {}

  void add_to(CLI::App& app);
  // Runs the machine to its end; returns the process's exit status.
  [[nodiscard]] int execute();

 private:
  std::chrono::nanoseconds process_started_at_;
  MachineOptions machine_;
  bool stats_ = false;
};

}  // namespace keel::tool
