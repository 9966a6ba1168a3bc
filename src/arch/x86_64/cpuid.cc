// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/cpuid.h"

#include <algorithm>
#include <bit>
#include <span>

#include "keel/base/check.h"

namespace keel::x86_64 {
namespace {

namespace leaf {
constexpr std::uint32_t kVendor = 0x0;
constexpr std::uint32_t kFeatures = 0x1;
constexpr std::uint32_t kIntelCache = 0x4;
constexpr std::uint32_t kMoreFeatures = 0x7;
constexpr std::uint32_t kPerformanceCounters = 0xa;
constexpr std::uint32_t kTopology = 0xb;
constexpr std::uint32_t kSgx = 0x12;
constexpr std::uint32_t kProcessorTrace = 0x14;
constexpr std::uint32_t kTopology2 = 0x1f;
constexpr std::uint32_t kExtendedFeatures = 0x8000'0001;
constexpr std::uint32_t kSizes = 0x8000'0008;
constexpr std::uint32_t kSvm = 0x8000'000a;
constexpr std::uint32_t kAmdCache = 0x8000'001d;
constexpr std::uint32_t kAmdTopology = 0x8000'001e;
constexpr std::uint32_t kAmdPerformanceCounters = 0x8000'0022;
}  // namespace leaf

constexpr std::uint32_t bit(unsigned position) {
  return std::uint32_t{1} << position;
}

constexpr std::uint32_t kFeaturesEcxVmx = bit(5);
constexpr std::uint32_t kFeaturesEcxPdcm = bit(15);
constexpr std::uint32_t kFeaturesEcxTscDeadline = bit(24);
constexpr std::uint32_t kFeaturesEcxHypervisor = bit(31);
constexpr std::uint32_t kFeaturesEdxHtt = bit(28);
constexpr std::uint32_t kMoreFeaturesEbxSgx = bit(2);
constexpr std::uint32_t kMoreFeaturesEbxProcessorTrace = bit(25);
constexpr std::uint32_t kMoreFeaturesEcxSgxLaunchControl = bit(30);
constexpr std::uint32_t kExtendedFeaturesEcxCmpLegacy = bit(1);
constexpr std::uint32_t kExtendedFeaturesEcxSvm = bit(2);
constexpr std::uint32_t kExtendedFeaturesEcxPerfCtrExtCore = bit(23);
constexpr std::uint32_t kExtendedFeaturesEcxPerfCtrExtNb = bit(24);
constexpr std::uint32_t kExtendedFeaturesEcxPerfCtrExtLlc = bit(28);

constexpr std::uint32_t kTopologyTypeThread = 1;
constexpr std::uint32_t kTopologyTypeCore = 2;

struct Field {
  unsigned last;
  unsigned first;
};

void set_field(std::uint32_t& value, Field field, std::uint32_t content) {
  const std::uint32_t ones = (bit(field.last - field.first) << 1) - 1;
  value = (value & ~(ones << field.first)) | (std::min(content, ones) << field.first);
}

void set_bits(std::uint32_t& value, std::uint32_t mask, std::uint32_t content) {
  value = (value & ~mask) | content;
}

enum class Vendor : std::uint8_t { kAmd, kOther };

// Hygon's processors are AMD's.
Vendor vendor_of(std::span<const CpuidEntry> entries) {
  constexpr std::uint32_t kAuth = 0x6874'7541;  // of "AuthenticAMD", in EBX
  constexpr std::uint32_t kHygo = 0x6f67'7948;  // of "HygonGenuine"
  const auto entry = std::ranges::find(entries, leaf::kVendor, &CpuidEntry::function);
  return entry != entries.end() && (entry->ebx == kAuth || entry->ebx == kHygo) ? Vendor::kAmd : Vendor::kOther;
}

// How many bits number `count` cores.
unsigned id_width(std::uint32_t count) {
  return static_cast<unsigned>(std::bit_width(count - 1));
}

// Ids are allotted in powers of two; fields that count them saturate.
std::uint32_t id_span(std::uint32_t count) {
  return std::bit_ceil(count);
}

void set_features(CpuidEntry& entry, CpuTopology cpu, TscDeadlineTimer tsc_deadline) {
  set_field(entry.ebx, {31, 24}, cpu.index & 0xff);
  set_field(entry.ebx, {23, 16}, id_span(cpu.count));
  set_bits(entry.edx, kFeaturesEdxHtt, cpu.count > 1 ? kFeaturesEdxHtt : 0);
  entry.ecx |= kFeaturesEcxHypervisor;
  entry.ecx &= ~(kFeaturesEcxVmx | kFeaturesEcxPdcm);
  set_bits(entry.ecx, kFeaturesEcxTscDeadline,
           tsc_deadline == TscDeadlineTimer::kPresent ? kFeaturesEcxTscDeadline : 0);
}

// Intel's leaf 4 and AMD's 0x8000'001d, which share EAX but for the cores. The first two levels are a core's own and
// the third is everybody's.
void set_cache(CpuidEntry& entry, CpuTopology cpu) {
  constexpr std::uint32_t kLastLevel = 3;
  const std::uint32_t type = entry.eax & 0x1f;
  const std::uint32_t level = entry.eax >> 5 & 0x7;
  if (type == 0) return;
  set_field(entry.eax, {25, 14}, level >= kLastLevel ? id_span(cpu.count) - 1 : 0);
  if (entry.function == leaf::kIntelCache) set_field(entry.eax, {31, 26}, id_span(cpu.count) - 1);
}

void clear_more_features(CpuidEntry& entry) {
  if (entry.index != 0) return;
  entry.ebx &= ~(kMoreFeaturesEbxSgx | kMoreFeaturesEbxProcessorTrace);
  entry.ecx &= ~kMoreFeaturesEcxSgxLaunchControl;
}

// Leaves 0xb and 0x1f, whole: thread, core, end.
void append_topology(std::vector<CpuidEntry>& entries, std::uint32_t function, CpuTopology cpu) {
  const auto level = [&](std::uint32_t index, std::uint32_t width, std::uint32_t threads, std::uint32_t type) {
    entries.push_back({function, index, CpuidIndex::kSignificant, width, threads, type << 8 | index, cpu.index});
  };
  level(0, 0, 1, kTopologyTypeThread);
  level(1, id_width(cpu.count), cpu.count, kTopologyTypeCore);
  level(2, 0, 0, 0);
}

void set_extended_features(CpuidEntry& entry, CpuTopology cpu, Vendor vendor) {
  if (vendor == Vendor::kAmd)
    set_bits(entry.ecx, kExtendedFeaturesEcxCmpLegacy, cpu.count > 1 ? kExtendedFeaturesEcxCmpLegacy : 0);
  entry.ecx &= ~(kExtendedFeaturesEcxSvm | kExtendedFeaturesEcxPerfCtrExtCore | kExtendedFeaturesEcxPerfCtrExtNb |
                 kExtendedFeaturesEcxPerfCtrExtLlc);
}

// ECX, which Intel reserves.
void set_sizes(CpuidEntry& entry, CpuTopology cpu, Vendor vendor) {
  if (vendor != Vendor::kAmd) return;
  set_field(entry.ecx, {7, 0}, cpu.count - 1);
  set_field(entry.ecx, {15, 12}, id_width(cpu.count));
}

// One thread a core, one node.
void set_amd_topology(CpuidEntry& entry, CpuTopology cpu) {
  entry.eax = cpu.index;
  entry.ebx = 0;
  set_field(entry.ebx, {7, 0}, cpu.index & 0xff);
  entry.ecx = 0;
}

bool is_removed(const CpuidEntry& entry) {
  constexpr std::uint32_t kRemoved[] = {leaf::kPerformanceCounters, leaf::kSgx, leaf::kProcessorTrace, leaf::kSvm,
                                        leaf::kAmdPerformanceCounters};
  return std::ranges::find(kRemoved, entry.function) != std::end(kRemoved);
}

}  // namespace

void configure_cpuid(std::vector<CpuidEntry>& entries, CpuTopology topology, TscDeadlineTimer tsc_deadline) {
  check(topology.index < topology.count, "a processor beyond the machine's count");
  const Vendor vendor = vendor_of(entries);
  std::erase_if(entries, is_removed);
  for (CpuidEntry& entry : entries) {
    switch (entry.function) {
      case leaf::kFeatures: set_features(entry, topology, tsc_deadline); break;
      case leaf::kIntelCache:
      case leaf::kAmdCache: set_cache(entry, topology); break;
      case leaf::kMoreFeatures: clear_more_features(entry); break;
      case leaf::kExtendedFeatures: set_extended_features(entry, topology, vendor); break;
      case leaf::kSizes: set_sizes(entry, topology, vendor); break;
      case leaf::kAmdTopology: set_amd_topology(entry, topology); break;
      default: break;
    }
  }
  for (const std::uint32_t function : {leaf::kTopology, leaf::kTopology2}) {
    const auto is_it = [&](const CpuidEntry& entry) { return entry.function == function; };
    if (std::erase_if(entries, is_it) > 0) append_topology(entries, function, topology);
  }
}

}  // namespace keel::x86_64
