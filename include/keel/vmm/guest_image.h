// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>

#include "keel/arch/x86_64/kernel_image.h"
#include "keel/arch/x86_64/linux_boot.h"
#include "keel/base/error.h"
#include "keel/device/kernel_cmdline.h"
#include "keel/memory/guest_memory.h"
#include "keel/vmm/machine_config.h"

namespace keel {

// A guest's RAM with its kernel, initial RAM disk and command line in place: what of a machine can be wrong in its
// configuration, and needs no hypervisor.
struct GuestImage {
  // Every error is about the configuration: a file that is absent, unreadable or no kernel, what does not fit, too
  // many vCPUs, devices that do not go with one another; it says what to change.
  [[nodiscard]] static Result<GuestImage> load(const MachineConfig& config);

  MachineConfig config;
  GuestMemory memory;
  x86_64::BootEntry entry;
  x86_64::KernelImage kernel;
  // What is in memory as the kernel's command line, and has room for what else the kernel takes.
  KernelCmdline cmdline;
};

}  // namespace keel
