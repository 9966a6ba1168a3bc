// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/cpu_state.h"

#include <array>

#include "keel/arch/x86_64/memory_map.h"
#include "keel/base/little_endian.h"
#include "keel/base/try.h"

namespace keel::x86_64 {
namespace {

constexpr std::uint64_t kCr0ProtectionEnable = 1u << 0;
constexpr std::uint64_t kCr0ExtensionType = 1u << 4;
constexpr std::uint64_t kCr0Paging = 1u << 31;
constexpr std::uint64_t kCr4PhysicalAddressExtension = 1u << 5;
constexpr std::uint64_t kEferLongModeEnable = 1u << 8;
constexpr std::uint64_t kEferLongModeActive = 1u << 10;
constexpr std::uint64_t kRflagsAlwaysSet = 1u << 1;

constexpr std::uint8_t kTypeDataWritableAccessed = 0x3;
constexpr std::uint8_t kTypeCodeReadableAccessed = 0xb;
constexpr std::uint8_t kTypeBusyTss = 0xb;

constexpr std::uint64_t kPagePresent = 1u << 0;
constexpr std::uint64_t kPageWritable = 1u << 1;
constexpr std::uint64_t kPageLarge = 1u << 7;
constexpr std::uint64_t kTableSize = 0x1000;
constexpr std::uint64_t kEntriesPerTable = 512;
constexpr std::uint64_t kLargePageSize = 0x20'0000;
constexpr std::uint64_t kDirectories = 4;  // of 1 GiB each

// PML4, page directory pointers, then the directories.
static_assert(kBootPageTables.size() == (2 + kDirectories) * kTableSize);

constexpr SegmentRegister kBootCode = {.limit = 0xffff'ffff,
                                       .selector = 0x10,
                                       .type = kTypeCodeReadableAccessed,
                                       .present = true,
                                       .code_or_data = true,
                                       .long_mode_code = true,
                                       .limit_in_pages = true};
constexpr SegmentRegister kBootData = {.limit = 0xffff'ffff,
                                       .selector = 0x18,
                                       .type = kTypeDataWritableAccessed,
                                       .present = true,
                                       .code_or_data = true,
                                       .default_operation_size_32 = true,
                                       .limit_in_pages = true};
// Neither is in the GDT: the guest loads its own before it needs one. Intel's VM entry refuses a TR that is not a busy
// TSS (SDM 3C 27.3.1.2).
constexpr SegmentRegister kBootTask = {.limit = 0x67, .type = kTypeBusyTss, .present = true};
constexpr SegmentRegister kNoLdt = {.unusable = true};

// Intel SDM 3A figure 3-8. The base of every segment here is 0, and so are its bits.
constexpr std::uint64_t descriptor(const SegmentRegister& segment) {
  const std::uint64_t limit = segment.limit_in_pages ? segment.limit >> 12 : segment.limit;
  const auto bit = [](bool flag, unsigned position) { return static_cast<std::uint64_t>(flag) << position; };
  return (limit & 0xffff) | (limit >> 16 & 0xf) << 48 | static_cast<std::uint64_t>(segment.type) << 40 |
         bit(segment.code_or_data, 44) | static_cast<std::uint64_t>(segment.descriptor_privilege) << 45 |
         bit(segment.present, 47) | bit(segment.long_mode_code, 53) | bit(segment.default_operation_size_32, 54) |
         bit(segment.limit_in_pages, 55);
}

constexpr std::size_t kGdtEntries = 4;

Result<DescriptorTable> write_gdt(const GuestMemory& memory) {
  std::array<std::uint8_t, kGdtEntries * 8> gdt = {};
  for (const SegmentRegister& segment : {kBootCode, kBootData}) store_le_at(gdt, segment.selector, descriptor(segment));
  KEEL_TRY_VOID(memory.write(kBootGdt, gdt));
  return DescriptorTable{.base = kBootGdt.value(), .limit = gdt.size() - 1};
}

// The address of the top table, for CR3.
Result<std::uint64_t> write_identity_map(const GuestMemory& memory) {
  KEEL_TRY(const std::span<std::uint8_t> tables, memory.slice(kBootPageTables.first(), kBootPageTables.size()));
  const std::uint64_t top = kBootPageTables.first().value();
  const std::uint64_t pointers = top + kTableSize;
  const std::uint64_t directories = pointers + kTableSize;

  store_le(tables, 0);
  store_le_at(tables, 0, pointers | kPageWritable | kPagePresent);
  for (std::uint64_t i = 0; i < kDirectories; ++i) {
    store_le_at(tables, kTableSize + 8 * i, (directories + i * kTableSize) | kPageWritable | kPagePresent);
  }
  for (std::uint64_t i = 0; i < kDirectories * kEntriesPerTable; ++i) {
    store_le_at(tables, 2 * kTableSize + 8 * i, i * kLargePageSize | kPageLarge | kPageWritable | kPagePresent);
  }
  return top;
}

}  // namespace

Result<CpuState> make_boot_cpu_state(const GuestMemory& memory, const BootEntry& boot) {
  KEEL_TRY(const DescriptorTable gdt, write_gdt(memory));
  KEEL_TRY(const std::uint64_t cr3, write_identity_map(memory));

  CpuState state;
  state.general.rip = boot.entry.value();
  state.general.rsi = boot.boot_params.value();
  state.general.rsp = kBootStackTop.value();
  state.general.rflags = kRflagsAlwaysSet;

  SpecialRegisters& special = state.special;
  special.cr0 = kCr0Paging | kCr0ExtensionType | kCr0ProtectionEnable;
  special.cr3 = cr3;
  special.cr4 = kCr4PhysicalAddressExtension;
  special.efer = kEferLongModeActive | kEferLongModeEnable;
  special.gdt = gdt;
  special.cs = kBootCode;
  special.ds = special.es = special.fs = special.gs = special.ss = kBootData;
  special.tr = kBootTask;
  special.ldt = kNoLdt;
  return state;
}

}  // namespace keel::x86_64
