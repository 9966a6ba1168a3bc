// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "keel/base/address.h"
#include "keel/interrupt/interrupt_config.h"

namespace keel::kvm {

// By what KVM learns of an interrupt.
enum class InterruptPath : std::uint8_t {
  kIrqfd,           // a signal on an eventfd
  kResampledIrqfd,  // the same, of a level, with an eventfd for the guest's acknowledgement
  kIrqLine,         // KVM_IRQ_LINE
  kSignalMsi,       // KVM_SIGNAL_MSI
};
// "irqfd", "irqfd and resample", "KVM_IRQ_LINE", "KVM_SIGNAL_MSI".
[[nodiscard]] std::string_view to_string(InterruptPath path) noexcept;

// Who holds an interrupt, to show: a picture of one moment.
struct InterruptHolding {
  std::string owner;
  std::size_t index = 0;                  // in its group
  std::optional<Gsi> gsi = std::nullopt;  // none where a message has no route, or no pin is chosen yet
  std::variant<std::monostate, LegacyIrqConfig, MsiConfig> config = {};  // empty: not configured
  InterruptPath path = InterruptPath::kIrqfd;
  bool enabled = false;
  bool masked = false;
  bool pending = false;
  friend bool operator==(const InterruptHolding&, const InterruptHolding&) = default;
};

}  // namespace keel::kvm
