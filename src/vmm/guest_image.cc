// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/guest_image.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "keel/arch/x86_64/memory_map.h"
#include "keel/base/try.h"
#include "keel/memory/input_file.h"

namespace keel {
namespace {

Result<void> check_count(unsigned count, unsigned most, std::string_view of_what) {
  if (count >= 1 && count <= most) return {};
  return fail(ErrorCode::kInvalidArgument, "{} {} asked for; a machine has 1 to {}", count, of_what, most);
}

}  // namespace

Result<GuestImage> GuestImage::load(const MachineConfig& config) {
  KEEL_TRY_VOID(check_count(config.cpus, MachineConfig::kMaxCpus, "vCPUs"));
  KEEL_TRY_VOID(check_count(config.device_threads.value_or(1), MachineConfig::kMaxDeviceThreads, "device threads"));
  KEEL_TRY_VOID(check_devices(config));
  KEEL_TRY_VOID(x86_64::check_memory_size(config.memory_size));
  KEEL_TRY(GuestMemory memory, GuestMemory::create(x86_64::ram_ranges(config.memory_size)));
  KEEL_TRY(const InputFile kernel, InputFile::open(config.kernel));
  std::optional<InputFile> initrd;
  if (config.initrd) {
    KEEL_TRY(initrd, InputFile::open(*config.initrd));
  }
  // The line is written once it is known how much of one the kernel takes.
  KEEL_TRY(const x86_64::LoadedLinux loaded, x86_64::load_linux(memory, {.kernel = kernel,
                                                                         .initrd = initrd ? &*initrd : nullptr,
                                                                         .command_line = "",
                                                                         .acpi_rsdp = x86_64::kAcpiTables.first()}));
  KernelCmdline cmdline(x86_64::command_line_capacity(loaded.kernel));
  KEEL_TRY_VOID(cmdline.append(kLeadingCmdline));
  KEEL_TRY_VOID(cmdline.append(config.cmdline));
  KEEL_TRY_VOID(x86_64::write_command_line(memory, cmdline.text(), loaded.kernel));
  return GuestImage{.config = config,
                    .memory = std::move(memory),
                    .entry = loaded.boot,
                    .kernel = loaded.kernel,
                    .cmdline = std::move(cmdline)};
}

}  // namespace keel
