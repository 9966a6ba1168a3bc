// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <vector>

#include "keel/base/error.h"
#include "keel/devices/block_backend.h"
#include "keel/devices/console_port.h"
#include "keel/devices/net_backend.h"
#include "keel/vmm/machine_config.h"

namespace keel {

// What a machine's disks, networks and ports are backed with, in the order of its configuration.
struct MachineBackends {
  // Opens the disks, which locks them, the networks, and the ports' sockets. Every error is about the configuration.
  [[nodiscard]] static Result<MachineBackends> open(const MachineConfig& config);
  // As many that do nothing, for a machine that nobody runs. Nothing of the host's is opened; a tap that is there is
  // asked how many queues it has, and one that is not counts as one with one queue.
  [[nodiscard]] static MachineBackends absent(const MachineConfig& config);

  std::vector<std::unique_ptr<BlockBackend>> disks;
  std::vector<std::unique_ptr<NetBackend>> networks;
  std::vector<std::shared_ptr<ConsolePort>> ports;
};

}  // namespace keel
