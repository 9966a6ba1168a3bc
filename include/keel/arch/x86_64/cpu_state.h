// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/memory/guest_memory.h"

// A processor's registers as plain values, named as in the Intel SDM and in no hypervisor's layout.
namespace keel::x86_64 {

// A segment register with its hidden part (Intel SDM 3A 3.4.3): limit in bytes, whatever the granularity.
struct SegmentRegister {
  std::uint64_t base = 0;
  std::uint32_t limit = 0;
  std::uint16_t selector = 0;
  std::uint8_t type = 0;                   // 4 bits, table 3-1 (code and data) or 3-2 (system)
  std::uint8_t descriptor_privilege = 0;   // 2 bits
  bool present = false;                    // P
  bool code_or_data = false;               // S
  bool default_operation_size_32 = false;  // D/B
  bool long_mode_code = false;             // L
  bool limit_in_pages = false;             // G
  bool unusable = false;                   // never loaded, as LDTR
  friend bool operator==(const SegmentRegister&, const SegmentRegister&) = default;
};

struct DescriptorTable {
  std::uint64_t base = 0;
  std::uint16_t limit = 0;
  friend bool operator==(const DescriptorTable&, const DescriptorTable&) = default;
};

struct SpecialRegisters {
  std::uint64_t cr0 = 0, cr3 = 0, cr4 = 0, efer = 0;
  DescriptorTable gdt, idt;
  SegmentRegister cs, ds, es, fs, gs, ss, tr, ldt;
};

struct GeneralRegisters {
  std::uint64_t rax = 0, rbx = 0, rcx = 0, rdx = 0, rsi = 0, rdi = 0, rsp = 0, rbp = 0;
  std::uint64_t r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
  std::uint64_t rip = 0, rflags = 0;
};

struct CpuState {
  GeneralRegisters general;
  SpecialRegisters special;
};

// Where a loaded kernel is entered, and the address of its zero page, which it expects in RSI.
struct BootEntry {
  GuestAddress entry;
  GuestAddress boot_params;
};

// The boot processor's state at `boot.entry` for Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst, "64-bit
// boot protocol"): long mode, interrupts off, flat __BOOT_CS = 0x10 and __BOOT_DS = 0x18. Writes into `memory` what the
// state points to: the GDT at kBootGdt, and at kBootPageTables an identity map of the first 4 GiB in pages of 2 MiB.
// Error: kOutOfBounds where memory lacks those addresses.
[[nodiscard]] Result<CpuState> make_boot_cpu_state(const GuestMemory& memory, const BootEntry& boot);

}  // namespace keel::x86_64
