// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "keel/base/error.h"
#include "keel/vmm/machine_config.h"

namespace keel::tool {

// The options that say what a machine is made of, alike for every command that makes one.
class MachineOptions {
 public:
  void add_to(CLI::App& command);
  // Once they are parsed. Error: what is wrong with a value.
  [[nodiscard]] Result<MachineConfig> config() const;
  [[nodiscard]] const std::string& kvm_device() const noexcept { return kvm_device_; }

 private:
  MachineConfig config_;
  std::string kvm_device_ = "/dev/kvm";
  std::string memory_ = "512M";
  std::string discovery_ = "acpi";
  std::vector<std::string> disks_;
  std::vector<std::string> networks_;
  std::vector<std::string> ports_;
  bool console_ = false;
};

}  // namespace keel::tool
