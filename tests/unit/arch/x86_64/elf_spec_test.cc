// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/elf_spec.h"

#include <elf.h>

#include <cstddef>

// The C library's declaration of the same format is the oracle.
namespace keel::x86_64::elf {
namespace {

static_assert(kHeaderSize == sizeof(Elf64_Ehdr));
static_assert(kClass == EI_CLASS && kData == EI_DATA);
static_assert(kType == offsetof(Elf64_Ehdr, e_type));
static_assert(kMachine == offsetof(Elf64_Ehdr, e_machine));
static_assert(kEntry == offsetof(Elf64_Ehdr, e_entry));
static_assert(kProgramHeaderOffset == offsetof(Elf64_Ehdr, e_phoff));
static_assert(kProgramHeaderSize == offsetof(Elf64_Ehdr, e_phentsize));
static_assert(kProgramHeaderCount == offsetof(Elf64_Ehdr, e_phnum));
static_assert(kClass32 == ELFCLASS32 && kClass64 == ELFCLASS64 && kLittleEndian == ELFDATA2LSB);
static_assert(kExecutable == ET_EXEC && kMachineX86_64 == EM_X86_64);

static_assert(program_header::kSize == sizeof(Elf64_Phdr));
static_assert(program_header::kType == offsetof(Elf64_Phdr, p_type));
static_assert(program_header::kOffset == offsetof(Elf64_Phdr, p_offset));
static_assert(program_header::kPhysicalAddress == offsetof(Elf64_Phdr, p_paddr));
static_assert(program_header::kFileSize == offsetof(Elf64_Phdr, p_filesz));
static_assert(program_header::kMemorySize == offsetof(Elf64_Phdr, p_memsz));
static_assert(program_header::kLoad == PT_LOAD);

}  // namespace
}  // namespace keel::x86_64::elf
