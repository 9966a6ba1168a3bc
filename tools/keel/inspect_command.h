// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "tools/keel/machine_options.h"

namespace keel::tool {

// keel inspect: prints what is where in the machine that `keel run` would run with the same options; with --stats runs
// it first, and prints who was accessed too.
class InspectCommand {
 public:
  void add_to(CLI::App& app);
  [[nodiscard]] bool chosen() const { return command_->parsed(); }
  // Returns the process's exit status.
  [[nodiscard]] int execute();

 private:
  int print(const MachineConfig& config) const;
  int run_and_print(MachineConfig config) const;
  [[nodiscard]] bool as_json() const { return format_ == "json"; }

  CLI::App* command_ = nullptr;
  MachineOptions machine_;
  std::string format_ = "text";
  bool stats_ = false;
};

}  // namespace keel::tool
