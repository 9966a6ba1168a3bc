// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "keel/arch/x86_64/cpu_state.h"
#include "keel/arch/x86_64/kernel_image.h"
#include "keel/base/error.h"
#include "keel/base/range.h"
#include "keel/memory/guest_memory.h"
#include "keel/memory/input_file.h"

// The Linux/x86 64-bit boot protocol (Documentation/arch/x86/boot.rst): what is in memory when a kernel starts.
namespace keel::x86_64 {

struct LinuxBoot {
  const InputFile& kernel;
  const InputFile* initrd = nullptr;
  std::string_view command_line;
  std::optional<GuestAddress> acpi_rsdp = std::nullopt;  // saves the kernel its search
};

// What load_linux() has put into memory.
struct LoadedLinux {
  BootEntry boot;
  KernelImage kernel;
};

// Loads all of it into `memory` as GuestMemory::create() made it: the kernel, the initrd, the command line at
// kCommandLine and the zero page, with the memory map, at kBootParams. Errors are those of the functions below.
[[nodiscard]] Result<LoadedLinux> load_linux(const GuestMemory& memory, const LinuxBoot& boot);

// The steps, for callers with an order of their own.

// As high as the kernel allows, page-aligned, below 4 GiB and the kernel's own RAM, which it does not touch.
// Errors: kInvalidArgument where the file is empty; kExhausted, with both sizes and how much memory would do.
[[nodiscard]] Result<GuestRange> load_initrd(const GuestMemory& memory, const InputFile& file,
                                             const KernelImage& kernel);

// The most characters that it may have: what the kernel takes, and what there is room for.
[[nodiscard]] std::size_t command_line_capacity(const KernelImage& kernel) noexcept;

// Once more for another text. Error: kInvalidArgument where the text is longer than the kernel takes or contains a
// zero.
[[nodiscard]] Result<void> write_command_line(const GuestMemory& memory, std::string_view text,
                                              const KernelImage& kernel);

[[nodiscard]] Result<void> write_zero_page(const GuestMemory& memory, const KernelImage& kernel,
                                           std::optional<GuestRange> initrd, std::optional<GuestAddress> acpi_rsdp);

}  // namespace keel::x86_64
