// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <string_view>

#include "keel/arch/x86_64/memory_map.h"
#include "keel/device/machine_hooks.h"
#include "keel/kvm/vm.h"

namespace keel {

// The pins of the in-kernel interrupt controllers as wires: ACPI's is a level, all others are ISA's edges.
class PcWires final : public InterruptFactory {
 public:
  // `vm` outlives this.
  explicit PcWires(const kvm::Vm& vm) noexcept : vm_(vm) {}

  Result<std::unique_ptr<LevelInterrupt>> connect(Gsi gsi, std::string_view /*owner*/) override {
    return gsi == x86_64::kAcpiGsi ? vm_.level_pin(gsi) : vm_.edge_pin(gsi);
  }

 private:
  const kvm::Vm& vm_;
};

}  // namespace keel
