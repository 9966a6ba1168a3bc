// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "keel/arch/x86_64/memory_map.h"
#include "keel/device/machine_hooks.h"
#include "keel/interrupt/interrupt_config.h"
#include "keel/kvm/interrupts.h"

namespace keel {

// How a PC's pins listen, and its ACPI tables say so: ISA's and virtio-mmio's interrupts are edges, ACPI's own a level.
[[nodiscard]] constexpr TriggerMode pc_trigger(Gsi gsi) noexcept {
  return gsi == x86_64::kAcpiGsi ? TriggerMode::kLevel : TriggerMode::kEdge;
}

// The pins of the in-kernel interrupt controllers as wires.
class PcWires final : public InterruptFactory {
 public:
  // `interrupts` outlives this.
  explicit PcWires(const kvm::Interrupts& interrupts) noexcept : interrupts_(interrupts) {}

  Result<std::unique_ptr<LevelInterrupt>> connect(Gsi gsi, std::string_view owner) override {
    return interrupts_.wire(std::string(owner), {.line = gsi, .trigger = pc_trigger(gsi)});
  }

 private:
  const kvm::Interrupts& interrupts_;
};

}  // namespace keel
