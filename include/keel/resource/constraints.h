// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "keel/base/address.h"
#include "keel/base/range.h"
#include "keel/resource/address_allocator.h"
#include "keel/resource/resources.h"

namespace keel {

// What a device asks of the machine before it can be attached: one value per resource. SystemAllocator turns each into
// the Resource of its kind. Sizes are in addresses; alignments are powers of two; `within` bounds the whole range, so
// bounds as large as the size name the address exactly.

struct PioConstraint {
  std::uint64_t size = 0;
  std::uint64_t alignment = 1;
  std::optional<PioRange> within = std::nullopt;
  Match match = Match::kFirst;

  static PioConstraint exactly(PioRange range) { return {.size = range.size(), .within = range}; }
  friend bool operator==(const PioConstraint&, const PioConstraint&) = default;
};

// Which of the machine's two MMIO windows a range comes from.
enum class MmioPlace : std::uint8_t {
  kDefault,      // below 4 GiB, unless `within` lies outside that window altogether: then above
  kBelow4GiB,    // what 32-bit BARs and old drivers can reach
  kAbove4GiB,    // 64-bit BARs only
  kPreferAbove,  // above, or below where above has no room
};

enum class MmioBacking : std::uint8_t {
  kTrapped,  // accesses exit to the device
  kMemory,   // host memory is mapped there, accesses never exit: takes a memory slot too
};

struct MmioConstraint {
  std::uint64_t size = 0;
  std::uint64_t alignment = 0x1000;
  std::optional<MmioRange> within = std::nullopt;
  MmioPlace place = MmioPlace::kDefault;
  MmioBacking backing = MmioBacking::kTrapped;
  Match match = Match::kFirst;

  static MmioConstraint exactly(MmioRange range) { return {.size = range.size(), .alignment = 1, .within = range}; }
  friend bool operator==(const MmioConstraint&, const MmioConstraint&) = default;
};

// Guest-physical addresses for memory that the device brings (a DAX window, hot-plugged RAM).
struct GuestMemoryConstraint {
  std::uint64_t size = 0;
  std::uint64_t alignment = 0x1000;
  std::optional<GuestRange> within = std::nullopt;
  Match match = Match::kFirst;

  static GuestMemoryConstraint exactly(GuestRange range) {
    return {.size = range.size(), .alignment = 1, .within = range};
  }
  friend bool operator==(const GuestMemoryConstraint&, const GuestMemoryConstraint&) = default;
};

// One interrupt pin; without `gsi` the lowest free one, of those in `within`.
struct LegacyIrqConstraint {
  std::optional<Gsi> gsi = std::nullopt;
  std::optional<IdRange<Gsi>> within = std::nullopt;
  friend bool operator==(const LegacyIrqConstraint&, const LegacyIrqConstraint&) = default;
};

// `count` GSIs in a row for message-signalled interrupts of one kind.
struct MsiConstraint {
  MsiKind kind = MsiKind::kGeneric;
  std::uint32_t count = 1;
  friend bool operator==(const MsiConstraint&, const MsiConstraint&) = default;
};

// `count` memory slots of the hypervisor in a row, from `first` on or the lowest free ones.
struct MemorySlotConstraint {
  std::uint32_t count = 1;
  std::optional<MemorySlot> first = std::nullopt;
  friend bool operator==(const MemorySlotConstraint&, const MemorySlotConstraint&) = default;
};

using ResourceConstraint = std::variant<PioConstraint, MmioConstraint, GuestMemoryConstraint, LegacyIrqConstraint,
                                        MsiConstraint, MemorySlotConstraint>;
using ResourceConstraints = std::vector<ResourceConstraint>;

// "mmio of size 0x1000 aligned to 0x1000", "any irq", "2 pci-msix vectors": for errors and listings.
[[nodiscard]] std::string to_string(const ResourceConstraint& constraint);

}  // namespace keel
