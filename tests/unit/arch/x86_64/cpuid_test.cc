// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/cpuid.h"

#include <algorithm>
#include <optional>
#include <set>

#include <gtest/gtest.h>

namespace keel::x86_64 {
namespace {

constexpr auto kIgnored = CpuidIndex::kIgnored;
constexpr auto kSignificant = CpuidIndex::kSignificant;

// Every bit of an answer that configure_cpuid() may have to clear is set, so that one which it forgets shows.
std::vector<CpuidEntry> intel() {
  return {
      {0x0, 0, kIgnored, 0x1f, 0x756e'6547, 0x6c65'746e, 0x4965'6e69},
      {0x1, 0, kIgnored, 0x0005'0657, 0xff10'0800, 0x7fff'ffff, 0xffff'ffff},
      {0x4, 0, kSignificant, 0xffff'c121, 0x01c0'003f, 0x3f, 0},
      {0x4, 2, kSignificant, 0x0000'0143, 0x03c0'003f, 0x3ff, 0},
      {0x4, 3, kSignificant, 0x0000'0163, 0x0280'003f, 0x9fff, 4},
      {0x4, 4, kSignificant, 0, 0, 0, 0},
      {0x7, 0, kSignificant, 1, 0xffff'ffff, 0xffff'ffff, 0xffff'ffff},
      {0x7, 1, kSignificant, 0xffff'ffff, 0xffff'ffff, 0xffff'ffff, 0xffff'ffff},
      {0xa, 0, kIgnored, 0x0730'0404, 0, 0, 0x603},
      {0xb, 0, kSignificant, 1, 2, 0x100, 55},
      {0xb, 1, kSignificant, 6, 40, 0x201, 55},
      {0x12, 0, kSignificant, 1, 0, 0, 0},
      {0x14, 0, kSignificant, 1, 0, 0, 0},
      {0x1f, 0, kSignificant, 0, 0, 0, 0},
      {0x4000'0000, 0, kIgnored, 0x4000'0001, 0x4b4d'564b, 0x564b'4d56, 0x4d},
      {0x8000'0001, 0, kIgnored, 0, 0, 0x121, 0x2c10'0800},
      {0x8000'0008, 0, kIgnored, 0x302e, 0, 0, 0},
  };
}

std::vector<CpuidEntry> amd() {
  return {
      {0x0, 0, kIgnored, 0x10, 0x6874'7541, 0x444d'4163, 0x6974'6e65},
      {0x1, 0, kIgnored, 0x00a0'0f11, 0xff10'0800, 0x7fff'ffff, 0xffff'ffff},
      {0xb, 0, kSignificant, 0, 0, 0, 0},
      {0x8000'0001, 0, kIgnored, 0x00a0'0f11, 0, 0xffff'ffff, 0xffff'ffff},
      {0x8000'0008, 0, kIgnored, 0x3030, 0, 0xffff'ffff, 0},
      {0x8000'000a, 0, kIgnored, 1, 8, 0, 0xffff'ffff},
      {0x8000'001d, 0, kSignificant, 0xffff'c121, 0x01c0'003f, 0x3f, 0},
      {0x8000'001d, 3, kSignificant, 0x0000'0163, 0x03c0'003f, 0x7fff, 1},
      {0x8000'001e, 0, kIgnored, 99, 0x0000'0163, 0x0000'0303, 0},
      {0x8000'0022, 0, kIgnored, 1, 6, 0, 0},
  };
}

std::vector<CpuidEntry> configured(std::vector<CpuidEntry> entries, CpuTopology topology,
                                   TscDeadlineTimer deadline = TscDeadlineTimer::kPresent) {
  configure_cpuid(entries, topology, deadline);
  return entries;
}

// The guest's CPUID instruction: what no entry answers reads as zero.
CpuidEntry ask(const std::vector<CpuidEntry>& entries, std::uint32_t function, std::uint32_t index = 0) {
  for (const CpuidEntry& entry : entries) {
    const bool is_it = entry.function == function && (entry.index_matters == kIgnored || entry.index == index);
    if (is_it) return entry;
  }
  return {function, index, kIgnored, 0, 0, 0, 0};
}

constexpr std::uint32_t bits(std::uint32_t value, unsigned last, unsigned first) {
  return value << (31 - last) >> (31 - last + first);
}

bool same_answer(const CpuidEntry& a, const CpuidEntry& b) {
  return a.eax == b.eax && a.ebx == b.ebx && a.ecx == b.ecx && a.edx == b.edx;
}

TEST(Cpuid, EveryProcessorHasItsApicIdInEveryLeafThatHasOne) {
  for (std::uint32_t index = 0; index < 5; ++index) {
    const auto on_intel = configured(intel(), {index, 5});
    EXPECT_EQ(bits(ask(on_intel, 1).ebx, 31, 24), index);
    for (const std::uint32_t level : {0u, 1u, 2u}) {
      EXPECT_EQ(ask(on_intel, 0xb, level).edx, index);
      EXPECT_EQ(ask(on_intel, 0x1f, level).edx, index);
    }
    const auto on_amd = configured(amd(), {index, 5});
    EXPECT_EQ(bits(ask(on_amd, 1).ebx, 31, 24), index);
    EXPECT_EQ(ask(on_amd, 0xb).edx, index);
    EXPECT_EQ(ask(on_amd, 0x8000'001e).eax, index);
    EXPECT_EQ(bits(ask(on_amd, 0x8000'001e).ebx, 7, 0), index) << "its core";
  }
}

TEST(Cpuid, AnApicIdBeyond8BitsIsWholeInTheLeavesForX2apic) {
  const auto entries = configured(intel(), {300, 400});
  EXPECT_EQ(ask(entries, 0xb).edx, 300u);
  EXPECT_EQ(bits(ask(entries, 1).ebx, 31, 24), 300u & 0xff);
  EXPECT_EQ(bits(ask(entries, 1).ebx, 23, 16), 255u) << "as many as the field can say";
}

TEST(Cpuid, CoresOfOneThreadMakeUpOnePackage) {
  const auto entries = configured(intel(), {2, 5});
  EXPECT_EQ(bits(ask(entries, 1).edx, 28, 28), 1u) << "HTT";
  EXPECT_EQ(bits(ask(entries, 1).ebx, 23, 16), 8u) << "ids for the package, a power of two";
  EXPECT_EQ(bits(ask(entries, 4, 0).eax, 31, 26), 7u);

  const CpuidEntry threads = ask(entries, 0xb, 0);
  EXPECT_EQ(threads.eax, 0u);
  EXPECT_EQ(threads.ebx, 1u);
  EXPECT_EQ(threads.ecx, 0x100u);
  const CpuidEntry cores = ask(entries, 0xb, 1);
  EXPECT_EQ(cores.eax, 3u) << "id bits below the package's";
  EXPECT_EQ(cores.ebx, 5u);
  EXPECT_EQ(cores.ecx, 0x201u);
  const CpuidEntry end = ask(entries, 0xb, 2);
  EXPECT_EQ(end.ebx, 0u);
  EXPECT_EQ(end.ecx, 0x002u);
}

TEST(Cpuid, TheLastLevelCacheIsSharedAndTheOthersAreNot) {
  const auto on_intel = configured(intel(), {0, 4});
  EXPECT_EQ(bits(ask(on_intel, 4, 0).eax, 25, 14), 0u);
  EXPECT_EQ(bits(ask(on_intel, 4, 2).eax, 25, 14), 0u);
  EXPECT_EQ(bits(ask(on_intel, 4, 3).eax, 25, 14), 3u);
  EXPECT_EQ(ask(on_intel, 4, 4).eax, 0u) << "the end of the list stays the end";
  EXPECT_EQ(bits(ask(on_intel, 4, 0).eax, 13, 0), 0x0121u) << "the cache itself is the host's";
  const auto on_amd = configured(amd(), {0, 4});
  EXPECT_EQ(bits(ask(on_amd, 0x8000'001d, 0).eax, 25, 14), 0u);
  EXPECT_EQ(bits(ask(on_amd, 0x8000'001d, 3).eax, 25, 14), 3u);
}

TEST(Cpuid, AmdCountsItsCoresInLeavesOfItsOwn) {
  const auto entries = configured(amd(), {0, 5});
  EXPECT_EQ(bits(ask(entries, 0x8000'0008).ecx, 7, 0), 4u);
  EXPECT_EQ(bits(ask(entries, 0x8000'0008).ecx, 15, 12), 3u);
  EXPECT_EQ(bits(ask(entries, 0x8000'0001).ecx, 1, 1), 1u) << "CmpLegacy";
  EXPECT_EQ(bits(ask(entries, 0x8000'001e).ebx, 15, 8), 0u) << "threads a core, less one";
  EXPECT_EQ(ask(entries, 0x8000'001e).ecx, 0u) << "one node";
  EXPECT_EQ(ask(configured(intel(), {0, 5}), 0x8000'0008).ecx, 0u) << "reserved on Intel";
  EXPECT_EQ(bits(ask(configured(intel(), {0, 5}), 0x8000'0001).ecx, 1, 1), 0u);
}

TEST(Cpuid, OneProcessorAloneHasNoSiblings) {
  const auto on_intel = configured(intel(), {0, 1});
  EXPECT_EQ(bits(ask(on_intel, 1).edx, 28, 28), 0u);
  EXPECT_EQ(bits(ask(on_intel, 1).ebx, 23, 16), 1u);
  EXPECT_EQ(ask(on_intel, 0xb, 1).eax, 0u);
  EXPECT_EQ(ask(on_intel, 0xb, 1).ebx, 1u);
  EXPECT_EQ(bits(ask(on_intel, 4, 3).eax, 25, 14), 0u);
  const auto on_amd = configured(amd(), {0, 1});
  EXPECT_EQ(bits(ask(on_amd, 0x8000'0008).ecx, 7, 0), 0u);
  EXPECT_EQ(bits(ask(on_amd, 0x8000'0001).ecx, 1, 1), 0u);
}

TEST(Cpuid, TheGuestLearnsThatItIsOneAndWhichTimerItHas) {
  for (const auto& host : {intel(), amd()}) {
    const auto with = ask(configured(host, {0, 1}, TscDeadlineTimer::kPresent), 1);
    EXPECT_EQ(bits(with.ecx, 31, 31), 1u) << "a hypervisor is there";
    EXPECT_EQ(bits(with.ecx, 24, 24), 1u);
    EXPECT_EQ(bits(ask(configured(host, {0, 1}, TscDeadlineTimer::kAbsent), 1).ecx, 24, 24), 0u);
  }
}

TEST(Cpuid, WhatKeelDoesNotVirtualiseIsNotThere) {
  const auto on_intel = configured(intel(), {0, 1});
  EXPECT_EQ(ask(on_intel, 1).ecx, 0xffff'ffff & ~(1u << 5 | 1u << 15)) << "VMX, PDCM, and nothing else";
  EXPECT_EQ(ask(on_intel, 7, 0).ebx, 0xffff'ffff & ~(1u << 2 | 1u << 25)) << "SGX, processor trace";
  EXPECT_EQ(ask(on_intel, 7, 0).ecx, 0xffff'ffff & ~(1u << 30)) << "SGX launch control";
  EXPECT_EQ(ask(on_intel, 7, 1).ebx, 0xffff'ffff) << "another index, another meaning";
  for (const std::uint32_t function : {0xau, 0x12u, 0x14u}) EXPECT_EQ(ask(on_intel, function).eax, 0u) << function;

  const auto on_amd = configured(amd(), {0, 2});
  EXPECT_EQ(ask(on_amd, 0x8000'0001).ecx, 0xffff'ffff & ~(1u << 2 | 1u << 23 | 1u << 24 | 1u << 28));
  for (const std::uint32_t function : {0x8000'000au, 0x8000'0022u}) EXPECT_EQ(ask(on_amd, function).eax, 0u);
}

TEST(Cpuid, EverythingElseStaysAndNothingIsAnsweredTwice) {
  const auto before = intel();
  const auto after = configured(before, {3, 4});
  for (const std::uint32_t function : {0x0u, 0x4000'0000u}) {
    EXPECT_TRUE(same_answer(ask(before, function), ask(after, function)));
  }
  EXPECT_EQ(ask(after, 1).eax, ask(before, 1).eax);
  EXPECT_EQ(bits(ask(after, 1).ebx, 15, 0), 0x0800u) << "the size of a cache line to flush";
  std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
  for (const CpuidEntry& entry : after)
    EXPECT_TRUE(seen.emplace(entry.function, entry.index).second) << entry.function << " " << entry.index;
}

TEST(Cpuid, LeavesThatTheHostLacksAreNotMadeUp) {
  std::vector<CpuidEntry> old = {{0x0, 0, kIgnored, 0x1, 0x756e'6547, 0, 0}, {0x1, 0, kIgnored, 0, 0, 0, 0}};
  configure_cpuid(old, {1, 2}, TscDeadlineTimer::kAbsent);
  EXPECT_EQ(old.size(), 2u);
  EXPECT_EQ(ask(configured(amd(), {0, 1}), 0x1f).ecx, 0u);
}

}  // namespace
}  // namespace keel::x86_64
