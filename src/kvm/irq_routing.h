// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "keel/kvm/irq_calls.h"

namespace keel::kvm {

// struct kvm_irq_routing without its flexible array member, for the reason that cpuid_list.h has for its own.
struct IrqRoutingHeader {
  std::uint32_t nr;
  std::uint32_t flags;
};
static_assert(sizeof(IrqRoutingHeader) == 8 && alignof(kvm_irq_routing_entry) <= alignof(std::uint64_t));
inline constexpr unsigned long kSetGsiRouting = _IOW(KVMIO, 0x6a, IrqRoutingHeader);

inline constexpr std::uint32_t kIoApicPins = 24;
inline constexpr std::uint32_t kPicPins = 16;
// Each of the first 16 GSIs reaches the PIC pair as well, which takes a second route.
inline constexpr std::uint32_t kPinRoutes = kIoApicPins + kPicPins;

// A GSI routing table in the kernel's form: a header with the entries behind it.
class IrqRouting {
 public:
  explicit IrqRouting(std::span<const MsiRoute> messages)
      : storage_(1 + (kPinRoutes + messages.size()) * kWordsPerEntry) {
    static_assert(sizeof(IrqRoutingHeader) == sizeof(std::uint64_t));
    new (storage_.data()) IrqRoutingHeader{.nr = 0, .flags = 0};
    for (std::uint32_t pin = 0; pin < kIoApicPins; ++pin) {
      if (pin < kPicPins) add_pin(pin, pin < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, pin % 8);
      add_pin(pin, KVM_IRQCHIP_IOAPIC, pin);
    }
    for (const MsiRoute& route : messages) add_message(route);
  }

  [[nodiscard]] IrqRoutingHeader* kernel_form() noexcept {
    return std::launder(reinterpret_cast<IrqRoutingHeader*>(storage_.data()));
  }

 private:
  static constexpr std::size_t kWordsPerEntry = sizeof(kvm_irq_routing_entry) / sizeof(std::uint64_t);
  static_assert(sizeof(kvm_irq_routing_entry) % sizeof(std::uint64_t) == 0);

  void add(const kvm_irq_routing_entry& entry) {
    new (storage_.data() + 1 + kernel_form()->nr++ * kWordsPerEntry) kvm_irq_routing_entry(entry);
  }
  void add_pin(std::uint32_t gsi, std::uint32_t chip, std::uint32_t pin) {
    kvm_irq_routing_entry entry = {};
    entry.gsi = gsi;
    entry.type = KVM_IRQ_ROUTING_IRQCHIP;
    entry.u.irqchip.irqchip = chip;
    entry.u.irqchip.pin = pin;
    add(entry);
  }
  void add_message(const MsiRoute& route) {
    kvm_irq_routing_entry entry = {};
    entry.gsi = route.gsi.value();
    entry.type = KVM_IRQ_ROUTING_MSI;
    entry.flags = route.message.device_id ? KVM_MSI_VALID_DEVID : 0;
    entry.u.msi.address_lo = static_cast<std::uint32_t>(route.message.address.value());
    entry.u.msi.address_hi = static_cast<std::uint32_t>(route.message.address.value() >> 32);
    entry.u.msi.data = route.message.data;
    entry.u.msi.devid = route.message.device_id.value_or(0);
    add(entry);
  }

  std::vector<std::uint64_t> storage_;
};

}  // namespace keel::kvm
