// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <linux/kvm.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "keel/arch/x86_64/cpuid.h"

namespace keel::kvm {

// struct kvm_cpuid2 without its flexible array member: some kernel headers declare that so that C++ gives the structure
// another size, and with it the ioctls other numbers, than C does.
struct CpuidHeader {
  std::uint32_t nent;
  std::uint32_t padding;
};
inline constexpr unsigned long kGetSupportedCpuid = _IOWR(KVMIO, 0x05, CpuidHeader);
inline constexpr unsigned long kSetCpuid2 = _IOW(KVMIO, 0x90, CpuidHeader);

// CPUID entries in the kernel's form: a header with an array behind it.
class CpuidList {
 public:
  // Room for as many as the kernel takes or returns (KVM_MAX_CPUID_ENTRIES).
  static constexpr std::size_t kMaxEntries = 256;

  CpuidList() : list_(std::make_unique<List>()) { list_->header.nent = kMaxEntries; }
  // Precondition: entries.size() <= kMaxEntries.
  explicit CpuidList(std::span<const x86_64::CpuidEntry> entries) : list_(std::make_unique<List>()) {
    list_->header.nent = static_cast<std::uint32_t>(entries.size());
    std::ranges::transform(entries, list_->entries.begin(), to_kernel);
  }

  [[nodiscard]] CpuidHeader* kernel_form() noexcept { return &list_->header; }

  [[nodiscard]] std::vector<x86_64::CpuidEntry> entries() const {
    std::vector<x86_64::CpuidEntry> result(std::min<std::size_t>(list_->header.nent, kMaxEntries));
    std::ranges::transform(std::span(list_->entries).first(result.size()), result.begin(), from_kernel);
    return result;
  }

 private:
  struct List {
    CpuidHeader header;
    std::array<kvm_cpuid_entry2, kMaxEntries> entries;
  };

  static kvm_cpuid_entry2 to_kernel(const x86_64::CpuidEntry& from) noexcept {
    const bool indexed = from.index_matters == x86_64::CpuidIndex::kSignificant;
    return {.function = from.function,
            .index = from.index,
            .flags = indexed ? std::uint32_t{KVM_CPUID_FLAG_SIGNIFCANT_INDEX} : 0,
            .eax = from.eax,
            .ebx = from.ebx,
            .ecx = from.ecx,
            .edx = from.edx,
            .padding = {}};
  }
  static x86_64::CpuidEntry from_kernel(const kvm_cpuid_entry2& from) noexcept {
    const bool indexed = (from.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0;
    return {.function = from.function,
            .index = from.index,
            .index_matters = indexed ? x86_64::CpuidIndex::kSignificant : x86_64::CpuidIndex::kIgnored,
            .eax = from.eax,
            .ebx = from.ebx,
            .ecx = from.ecx,
            .edx = from.edx};
  }

  std::unique_ptr<List> list_;
};

}  // namespace keel::kvm
