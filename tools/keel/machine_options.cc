// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel/machine_options.h"

#include <unistd.h>

#include "keel/base/try.h"

namespace keel::tool {

void MachineOptions::add_to(CLI::App& command) {
  command.add_option("--kernel", config_.kernel, "Linux kernel: a bzImage, or an ELF vmlinux (starts sooner)")
      ->required()
      ->type_name("FILE");
  command.add_option("--initrd", config_.initrd, "initial RAM disk")->type_name("FILE");
  command
      .add_option("--cmdline", config_.cmdline,
                  "kernel command line, put behind \"" + std::string(kLeadingCmdline) + "\"")
      ->type_name("TEXT")
      ->capture_default_str();
  command.add_option("--memory", memory_, "guest memory: bytes, or with K, M, G")
      ->type_name("SIZE")
      ->capture_default_str();
  command.add_option("--cpus", config_.cpus, "number of vCPUs")->type_name("N")->capture_default_str();
  command.add_flag("--rng", config_.rng, "give the guest the host's entropy (virtio-rng)");
  command.add_flag("--console", console_,
                   "type into a virtio console (hvc0) instead of the serial port; both print here");
}

Result<MachineConfig> MachineOptions::config() const {
  MachineConfig result = config_;
  KEEL_TRY(result.memory_size, parse_memory_size(memory_));
  if (console_) result.console_output = STDOUT_FILENO;
  return result;
}

}  // namespace keel::tool
