// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/base/event_loop.h"
#include "keel/interrupt/interrupt.h"
#include "keel/interrupt/interrupt_config.h"
#include "keel/interrupt/interrupt_source_group.h"
#include "keel/kvm/interrupt_holding.h"
#include "keel/kvm/irq_calls.h"
#include "keel/resource/id_range.h"

namespace keel::kvm {

struct InterruptCore;

// All interrupts of a machine with KVM's in-kernel irqchip. Its groups keep what InterruptSourceGroup promises, by the
// mechanism that their maker names; `owner` is who they belong to in errors and listings. From any thread. Groups and
// wires may outlive this.
//
// Masking takes the irqfd away, so that the kernel counts in the eventfd what comes meanwhile, whoever signals it.
class Interrupts {
 public:
  // The IOAPIC's, which are the GSIs of the same number.
  static constexpr IdRange<Gsi> kPins = IdRange<Gsi>::constant(0, 23);

  // `loop` serves resamples and outlives what is made here. GSIs beyond the first `gsi_limit` are left to others; the
  // pins are always its own.
  Interrupts(std::shared_ptr<IrqCalls> calls, EventLoop& loop, std::uint32_t gsi_limit = 0xffff'ffff);

  // Each message has an eventfd (they are TriggerNotifier<EventFd>), an irqfd and a route of its own: trigger() is one
  // write, or none of the VMM's at all. GSIs come from `within`, lowest first; without, from all that are not pins.
  [[nodiscard]] std::unique_ptr<MsiGroup> msi_group(std::string owner,
                                                    std::optional<IdRange<Gsi>> within = std::nullopt) const;
  // Messages without GSI, route or eventfd: trigger() is KVM_SIGNAL_MSI. For what fires seldom.
  [[nodiscard]] std::unique_ptr<MsiGroup> unrouted_msi_group(std::string owner) const;

  // Edges by irqfd; levels by KVM_IRQ_LINE, which is right for devices that see the guest serve them, as all of a VMM's
  // own do: lower() takes effect at once, where an irqfd leaves the line up until the guest's end of interrupt, so that
  // a driver that polls would be interrupted for nothing; and no thread wakes at each end of interrupt to ask.
  [[nodiscard]] std::unique_ptr<LegacyGroup> pin_group(std::string owner) const;
  // The same with levels by irqfd and resample (TriggerNotifier<EventFd>, ResampleNotifier<EventFd>), which is right
  // for devices that go past the VMM (VFIO, vhost): it learns neither of their levels nor of what the guest writes to
  // them.
  [[nodiscard]] std::unique_ptr<ResampledGroup> resampled_pin_group(std::string owner) const;

  // A wire that is ready for use, from a pin_group() of its own. Errors: those of its update() and enable().
  [[nodiscard]] Result<std::unique_ptr<LevelInterrupt>> wire(std::string owner, const LegacyIrqConfig& config) const;

  // By owner's age and index.
  [[nodiscard]] std::vector<InterruptHolding> holdings() const;
  [[nodiscard]] std::uint64_t gsis_taken() const;

 private:
  std::shared_ptr<InterruptCore> core_;
};

}  // namespace keel::kvm
