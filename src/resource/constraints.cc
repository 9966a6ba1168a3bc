// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/constraints.h"

#include <fmt/format.h>

namespace keel {

namespace {

// "mmio of size 0x1000 aligned to 0x1000 in [0xd0000000, 0xd000ffff]"
template <typename Constraint>
std::string range_text(std::string_view kind, const Constraint& constraint) {
  std::string text = fmt::format("{} of size {:#x}", kind, constraint.size);
  if (constraint.within && constraint.within->size() == constraint.size)
    return fmt::format("{} {}", kind, *constraint.within);
  if (constraint.alignment != 1) text += fmt::format(" aligned to {:#x}", constraint.alignment);
  if (constraint.within) text += fmt::format(" in {}", *constraint.within);
  return text;
}

struct Describe {
  std::string operator()(const PioConstraint& pio) const { return range_text("pio", pio); }
  std::string operator()(const MmioConstraint& mmio) const {
    return range_text(mmio.backing == MmioBacking::kMemory ? "memory-backed mmio" : "mmio", mmio);
  }
  std::string operator()(const GuestMemoryConstraint& memory) const { return range_text("guest memory", memory); }
  std::string operator()(const LegacyIrqConstraint& irq) const {
    if (irq.gsi) return fmt::format("irq {}", *irq.gsi);
    return irq.within ? fmt::format("any irq in {}", *irq.within) : "any irq";
  }
  std::string operator()(const MsiConstraint& msi) const {
    return fmt::format("{} {} vector{}", msi.count, to_string(msi.kind), msi.count == 1 ? "" : "s");
  }
  std::string operator()(const MemorySlotConstraint& slots) const {
    const std::string from = slots.first ? fmt::format(" from {}", *slots.first) : "";
    return fmt::format("{} memory slot{}{}", slots.count, slots.count == 1 ? "" : "s", from);
  }
};

}  // namespace

std::string to_string(const ResourceConstraint& constraint) {
  return std::visit(Describe(), constraint);
}

}  // namespace keel
