// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel/machine_options.h"

#include <unistd.h>

#include "keel/base/try.h"

namespace keel::tool {

namespace {

std::string name_of_file(const std::string& name) {
  return name.empty() ? "the name of a file is empty" : "";
}

}  // namespace

void MachineOptions::add_to(CLI::App& command) {
  command.add_option("--kernel", config_.kernel, "Linux kernel: a bzImage, or an ELF vmlinux (starts sooner)")
      ->required()
      ->check(name_of_file)
      ->type_name("FILE");
  command.add_option("--initrd", config_.initrd, "initial RAM disk")->check(name_of_file)->type_name("FILE");
  command
      .add_option("--cmdline", config_.cmdline,
                  "kernel command line, put behind \"" + std::string(kLeadingCmdline) + "\"")
      ->type_name("TEXT")
      ->capture_default_str();
  command.add_option("--memory", memory_, "guest memory: bytes, or with K, M, G")
      ->type_name("SIZE")
      ->capture_default_str();
  command.add_option("--cpus", config_.cpus, "number of vCPUs")->type_name("N")->capture_default_str();
  command
      .add_option("--device-threads", config_.device_threads,
                  "at most so many threads for disks and networks, in turn; without, each has its own")
      ->type_name("N");
  command
      .add_option(
          "--virtio-mmio", discovery_,
          "how the kernel learns of virtio devices: acpi, as distributions' do; or cmdline, for kernels built with "
          "CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES")
      ->check(CLI::IsMember({"acpi", "cmdline"}))
      ->type_name("acpi|cmdline")
      ->capture_default_str();
  command.add_flag("--rng", config_.rng, "give the guest the host's entropy (virtio-rng)");
  // One value each, so that what follows is not swallowed, and any number of them.
  command
      .add_option("--disk", disks_, "a disk: a file or block device, which others cannot write meanwhile. Repeatable")
      ->type_name("FILE[,ro]")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->delimiter('\0');
  command
      .add_option("--net", networks_,
                  "a network: user[,hostfwd=tcp:127.0.0.1:PORT-:PORT]… through this host's sockets, without root; "
                  "or tap=NAME, an interface of this host. Both take ,mac=MAC. Repeatable")
      ->type_name("user|tap=NAME")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->delimiter('\0');
  command.add_flag("--console", console_,
                   "type into a virtio console (hvc0) instead of the serial port; both print here");
  command
      .add_option("--port", ports_,
                  "a channel to the guest: /dev/virtio-ports/NAME there, a Unix socket here. Repeatable")
      ->type_name("NAME=SOCKET")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->delimiter('\0');
  command.add_option("--kvm", kvm_device_, "the KVM device")->type_name("FILE")->capture_default_str();
}

Result<MachineConfig> MachineOptions::config() const {
  MachineConfig result = config_;
  KEEL_TRY(result.memory_size, parse_memory_size(memory_));
  for (const std::string& text : disks_) {
    KEEL_TRY(result.disks.emplace_back(), parse_disk(text));
  }
  for (const std::string& text : networks_) {
    KEEL_TRY(result.networks.emplace_back(), parse_net(text));
  }
  for (const std::string& text : ports_) {
    KEEL_TRY(result.ports.emplace_back(), parse_port(text));
  }
  if (discovery_ == "cmdline") result.virtio_discovery = VirtioDiscovery::kCommandLine;
  if (console_) result.console_output = STDOUT_FILENO;
  return result;
}

}  // namespace keel::tool
