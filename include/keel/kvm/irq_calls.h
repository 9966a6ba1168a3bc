// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/base/event_fd.h"
#include "keel/interrupt/interrupt_config.h"

namespace keel::kvm {

// The message that a GSI stands for.
struct MsiRoute {
  Gsi gsi;
  MsiConfig message;
  friend bool operator==(const MsiRoute&, const MsiRoute&) = default;
};

// The system calls about interrupts that KVM offers a machine, and no policy: Vm::irq_calls() makes them, tests replace
// them. Nothing else in Keel makes one. Callable from any thread; eventfds stay open until their irqfd is removed.
// Errors: kIo, which names the call and the GSI. Source: Linux Documentation/virt/kvm/api.rst.
class IrqCalls {
 public:
  virtual ~IrqCalls() = default;

  // KVM_SET_GSI_ROUTING, as a whole: the pins' routes that the irqchip is born with, and `messages`. Waits for
  // deliveries under way, so it is dear; on error the table is as it was.
  virtual Result<void> set_routes(std::span<const MsiRoute> messages) = 0;

  // KVM_IRQFD. From then on a signal on `trigger` is an edge on `gsi`; or, with `resample`, raises it, and the guest's
  // end of interrupt lowers it and signals `resample`. Once remove_irqfd() has returned nothing more is delivered, and
  // signals stay in the eventfd.
  virtual Result<void> add_irqfd(const EventFd& trigger, Gsi gsi) = 0;
  virtual Result<void> add_resampled_irqfd(const EventFd& trigger, const EventFd& resample, Gsi gsi) = 0;
  virtual Result<void> remove_irqfd(const EventFd& trigger, Gsi gsi) = 0;

  // KVM_IRQ_LINE. One level for all who call it; irqfds have a level of their own, and the pin is up while either is.
  virtual Result<void> raise_line(Gsi gsi) = 0;
  virtual Result<void> lower_line(Gsi gsi) = 0;

  // KVM_SIGNAL_MSI: needs no GSI and no route. A message that the guest blocks at its local APIC, or that it sends
  // where no local APIC takes it, is no error: it is gone, as by irqfd.
  virtual Result<void> signal_msi(const MsiConfig& message) = 0;

  // How many GSIs the routing table has room for, the 24 pins included.
  [[nodiscard]] virtual std::uint32_t gsi_count() const noexcept = 0;
};

}  // namespace keel::kvm
