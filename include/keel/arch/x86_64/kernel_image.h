// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <cstdint>

#include "keel/arch/x86_64/boot_params_spec.h"
#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/base/range.h"
#include "keel/memory/guest_memory.h"
#include "keel/memory/input_file.h"

namespace keel::x86_64 {

using SetupHeader = std::array<std::uint8_t, boot_params::kSetupHeaderMaxEnd - boot_params::kSetupSects>;

// A kernel in guest memory, and what it says about its surroundings.
struct KernelImage {
  GuestRange range;                 // the RAM it needs before it reads the memory map: its own, unpacking room and bss
  GuestAddress entry;               // in 64-bit mode
  GuestAddress initrd_last;         // the last address an initrd may occupy
  std::uint32_t command_line_size;  // the longest command line it takes, without the terminating zero
  SetupHeader setup_header;         // for the zero page, at boot_params::kSetupSects
};

// Loads a Linux kernel for its 64-bit entry: a bzImage (`vmlinuz`) or an ELF64 `vmlinux`, whichever the file is. An ELF
// kernel starts sooner: it need not unpack itself.
// `memory` is as GuestMemory::create() made it: what a kernel expects to be zero is not cleared again. The file is read
// straight into it.
// Nothing in the file is trusted. Errors name the file and say what it is instead of a kernel (kUnsupported), what is
// wrong in it (kInvalidArgument), that it is cut short (kOutOfBounds), or how much memory it needs (kExhausted); memory
// may then hold part of it.
[[nodiscard]] Result<KernelImage> load_kernel(const GuestMemory& memory, const InputFile& file);

// One form each, for callers that know.
// Source: Documentation/arch/x86/boot.rst. Protocol 2.12 or later, at the kernel's preferred address: a lower one gains
// nothing, since a kernel unpacks itself no lower than that.
[[nodiscard]] Result<KernelImage> load_bzimage(const GuestMemory& memory, const InputFile& file);
// PT_LOAD segments go to their physical addresses, between 1 MiB and 4 GiB; the entry is physical too.
[[nodiscard]] Result<KernelImage> load_elf_kernel(const GuestMemory& memory, const InputFile& file);

}  // namespace keel::x86_64
