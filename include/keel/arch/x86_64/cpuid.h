// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <vector>

// What the guest's CPUID instruction answers, made from what the host's processor and hypervisor offer.
namespace keel::x86_64 {

enum class CpuidIndex : std::uint8_t {
  kIgnored,      // the answer does not depend on ECX
  kSignificant,  // it is for ECX = index alone
};

struct CpuidEntry {
  std::uint32_t function;  // EAX of the question
  std::uint32_t index;     // ECX of the question; 0 where it is ignored
  CpuidIndex index_matters;
  std::uint32_t eax, ebx, ecx, edx;
  friend bool operator==(const CpuidEntry&, const CpuidEntry&) = default;
};

// One processor among those of the machine: a package of `count` cores of one thread each, whose APIC ids are their
// indices. 0 <= index < count.
struct CpuTopology {
  std::uint32_t index;
  std::uint32_t count;
};

// Whether the hypervisor's local APIC has the TSC-deadline timer. KVM tells by KVM_CAP_TSC_DEADLINE_TIMER, and never in
// the CPUID that it says it supports.
enum class TscDeadlineTimer : std::uint8_t { kAbsent, kPresent };

// Turns what the hypervisor supports (KVM_GET_SUPPORTED_CPUID) into the answers for one processor, on Intel and AMD
// alike:
// - the APIC ids and core counts of `topology`, in every leaf that has them (Intel SDM 2A "CPUID", AMD APM 3 appendix
// E);
// - the hypervisor bit, which sends a guest to the hypervisor's own leaves, and the TSC-deadline bit as told: without
//   it a guest spends a tenth of a second or so on measuring its timer;
// - no performance counters, no SGX, no processor trace, and no virtualisation within the guest: each needs state that
//   Keel neither gives nor saves, and a guest that finds one spends exits on setting it up.
// Leaves that are absent stay absent; everything else stays as it is.
void configure_cpuid(std::vector<CpuidEntry>& entries, CpuTopology topology, TscDeadlineTimer tsc_deadline);

}  // namespace keel::x86_64
