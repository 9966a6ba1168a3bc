// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// An ELF kernel from anywhere: a kernel in RAM or an error, and nothing else.

#include <array>

#include "fuzz/kernel_loader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keel::x86_64;
  constexpr std::array kSegments = {
      testing::ElfSegment{.physical_address = 0x100'0000, .offset = 0x200, .file_size = 0x100, .memory_size = 0x100},
      testing::ElfSegment{.physical_address = 0x100'1000, .offset = 0x300, .file_size = 0x10, .memory_size = 0x1000},
      testing::ElfSegment{.physical_address = 0, .offset = 0, .file_size = 0, .memory_size = 0, .type = 4},
  };
  testing::fuzz_loader({data, size}, testing::make_elf(0x100'0010, kSegments, 0x400), load_elf_kernel);
  return 0;
}
