// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/cpu_state.h"

#include <array>

#include <gtest/gtest.h>

#include "keel/arch/x86_64/memory_map.h"

namespace keel::x86_64 {
namespace {

constexpr BootEntry kBoot = {.entry = GuestAddress(0x100'0200), .boot_params = kBootParams};

GuestMemory small_memory() {
  return GuestMemory::create(ram_ranges(kMinMemory)).value();
}

std::uint64_t quad(const GuestMemory& memory, std::uint64_t address) {
  return memory.read_object<std::uint64_t>(GuestAddress(address)).value();
}

// Walks the tables as the processor does (Intel SDM 3A 4.5): the physical address, or nothing where it would fault.
std::optional<std::uint64_t> translate(const GuestMemory& memory, std::uint64_t cr3, std::uint64_t linear) {
  constexpr std::uint64_t kAddressBits = 0x000f'ffff'ffff'f000;
  std::uint64_t table = cr3;
  for (const unsigned shift : {39u, 30u, 21u, 12u}) {
    const std::uint64_t entry = quad(memory, table + 8 * (linear >> shift & 511));
    if ((entry & 3) != 3) return std::nullopt;
    table = entry & kAddressBits;
    if (shift == 12 || (shift < 39 && (entry & 0x80) != 0)) return table + (linear & ((1ull << shift) - 1));
  }
  return std::nullopt;
}

TEST(BootCpuState, IsThe64BitBootProtocols) {
  const auto memory = small_memory();
  const CpuState state = make_boot_cpu_state(memory, kBoot).value();
  EXPECT_EQ(state.general.rip, 0x100'0200u);
  EXPECT_EQ(state.general.rsi, kBootParams.value());
  EXPECT_EQ(state.general.rflags, 2u) << "interrupts are off";
  EXPECT_EQ(state.special.cr0 & 0x8000'0001, 0x8000'0001u) << "paging and protection";
  EXPECT_EQ(state.special.cr4 & 0x20, 0x20u) << "physical address extension";
  EXPECT_EQ(state.special.efer, 0x500u) << "long mode, enabled and active";
  EXPECT_EQ(state.special.cs.selector, 0x10);
  for (const auto* segment : {&state.special.ds, &state.special.es, &state.special.ss}) {
    EXPECT_EQ(segment->selector, 0x18);
    EXPECT_EQ(segment->limit, 0xffff'ffffu);
    EXPECT_TRUE(segment->present && segment->code_or_data && !segment->long_mode_code);
  }
  EXPECT_TRUE(state.special.cs.long_mode_code && !state.special.cs.default_operation_size_32);
  EXPECT_EQ(state.special.tr.type, 11) << "a busy 64-bit TSS, which VMX entry insists on";
  EXPECT_TRUE(state.special.tr.present && !state.special.tr.code_or_data);
  EXPECT_TRUE(state.special.ldt.unusable);
}

TEST(BootCpuState, TheGdtInMemoryHoldsTheLoadedSegments) {
  const auto memory = small_memory();
  const CpuState state = make_boot_cpu_state(memory, kBoot).value();
  const std::uint64_t gdt = state.special.gdt.base;
  EXPECT_EQ(state.special.gdt.limit, 4 * 8 - 1);
  EXPECT_EQ(quad(memory, gdt), 0u);
  EXPECT_EQ(quad(memory, gdt + 0x10), 0x00af'9b00'0000'ffffu);
  EXPECT_EQ(quad(memory, gdt + 0x18), 0x00cf'9300'0000'ffffu);
}

TEST(BootCpuState, TheFirst4GiBAreMappedToThemselvesAndNothingElse) {
  const auto memory = small_memory();
  const std::uint64_t cr3 = make_boot_cpu_state(memory, kBoot).value().special.cr3;
  for (std::uint64_t address = 0; address < 4 * kGiB; address += 0x20'0000) {
    ASSERT_EQ(translate(memory, cr3, address), address);
    ASSERT_EQ(translate(memory, cr3, address + 0x1f'ffff), address + 0x1f'ffff);
  }
  for (const std::uint64_t address : {4 * kGiB, 512 * kGiB, 0x20000 * kGiB}) {
    EXPECT_EQ(translate(memory, cr3, address), std::nullopt) << address;
  }
}

TEST(BootCpuState, MemoryWithoutTheFirstMegabyteIsAnError) {
  const std::array high = {GuestRange::constant(0x10'0000, 0x1f'ffff)};
  const auto state = make_boot_cpu_state(GuestMemory::create(high).value(), kBoot);
  ASSERT_FALSE(state.has_value());
  EXPECT_EQ(state.error().code(), ErrorCode::kOutOfBounds);
}

}  // namespace
}  // namespace keel::x86_64
