// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "tools/keel/machine_options.h"

namespace keel::tool {

// keel inspect: prints what is where in the machine that `keel run` would run with the same options.
class InspectCommand {
 public:
  void add_to(CLI::App& app);
  [[nodiscard]] bool chosen() const { return command_->parsed(); }
  // Returns the process's exit status.
  [[nodiscard]] int execute();

 private:
  CLI::App* command_ = nullptr;
  MachineOptions machine_;
  std::string format_ = "text";
};

}  // namespace keel::tool
