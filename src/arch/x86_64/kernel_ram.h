// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>

#include "keel/arch/x86_64/memory_map.h"
#include "keel/base/error.h"
#include "keel/base/range.h"
#include "keel/memory/guest_memory.h"
#include "keel/memory/input_file.h"

namespace keel::x86_64 {

// Where a kernel may be: above what the loader keeps below 1 MiB, and below the hole.
inline constexpr GuestRange kKernelArea = GuestRange::constant(kExtendedMemory.value(), kLowRam.last().value());

// How much memory a machine needs to have RAM up to `last` in kLowRam, in whole MiB.
constexpr std::uint64_t mib_up_to(GuestAddress last) {
  return last.value() / kMiB + 1;
}

// [first, first + size) as a range of kKernelArea; `file` is who asks for it.
[[nodiscard]] inline Result<GuestRange> kernel_range(const InputFile& file, GuestAddress first, std::uint64_t size) {
  const auto range = GuestRange::from_size(first, size);
  if (!range || !kKernelArea.contains(*range)) {
    return fail(ErrorCode::kInvalidArgument, "{}: the kernel wants {:#x} bytes at {}, which are not within {}",
                file.name(), size, first, kKernelArea);
  }
  return *range;
}

// The host bytes of what kernel_range() found.
[[nodiscard]] inline Result<std::span<std::uint8_t>> kernel_ram(const GuestMemory& memory, const InputFile& file,
                                                                const GuestRange& range) {
  if (const auto bytes = memory.try_slice(range.first(), range.size())) return *bytes;
  return fail(ErrorCode::kExhausted, "{}: the kernel needs RAM at {}, and the machine has {} MiB; {} MiB would do",
              file.name(), range, memory.total_size() / kMiB, mib_up_to(range.last()));
}

}  // namespace keel::x86_64
