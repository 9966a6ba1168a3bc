// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "keel/base/address.h"

namespace keel {

// How an interrupt input listens.
enum class TriggerMode : std::uint8_t { kEdge, kLevel };

[[nodiscard]] constexpr std::string_view to_string(TriggerMode mode) noexcept {
  return mode == TriggerMode::kEdge ? "edge" : "level";
}

// Values of the Interrupt Pin register (PCI Local Bus 3.0, 6.2.4).
enum class InterruptPin : std::uint8_t { kIntA = 1, kIntB, kIntC, kIntD };

// A pin of the machine's interrupt controller: edge-triggered as ISA devices want it, with one owner; or
// level-triggered as PCI INTx, which several devices may share.
struct LegacyIrqConfig {
  Gsi line;
  TriggerMode trigger = TriggerMode::kLevel;
  std::optional<InterruptPin> pin = std::nullopt;  // of a PCI function; for those who describe the machine to the guest
  friend bool operator==(const LegacyIrqConfig&, const LegacyIrqConfig&) = default;
};

// A message-signalled interrupt, of an MSI or MSI-X capability or of neither: the memory write that is the interrupt.
// Always an edge. Source: PCI Local Bus 3.0, 6.8; Intel SDM 3A 11.11 for what x86 reads out of it.
struct MsiConfig {
  MmioAddress address;
  std::uint32_t data = 0;
  std::optional<std::uint32_t> device_id = std::nullopt;  // where the controller asks who writes (GICv3 ITS)
  friend bool operator==(const MsiConfig&, const MsiConfig&) = default;
};

}  // namespace keel

// "pin 5, level"
template <>
struct fmt::formatter<keel::LegacyIrqConfig> {
  constexpr auto parse(format_parse_context& context) { return context.begin(); }
  auto format(const keel::LegacyIrqConfig& config, format_context& context) const {
    return fmt::format_to(context.out(), "pin {}, {}", config.line, to_string(config.trigger));
  }
};

// "msi 0x41 to 0xfee00000"
template <>
struct fmt::formatter<keel::MsiConfig> {
  constexpr auto parse(format_parse_context& context) { return context.begin(); }
  auto format(const keel::MsiConfig& config, format_context& context) const {
    return fmt::format_to(context.out(), "msi {:#x} to {}", config.data, config.address);
  }
};
