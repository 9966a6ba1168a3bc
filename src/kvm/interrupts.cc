// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/interrupts.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "src/kvm/interrupt_core.h"
#include "src/kvm/irq_routing.h"
#include "src/kvm/pins.h"
#include "src/kvm/routed_msi.h"
#include "src/kvm/source_group.h"
#include "src/kvm/unrouted_msi.h"
#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel::kvm {
namespace {

template <typename I, typename Source>
std::unique_ptr<InterruptSourceGroup<I>> make_group(const std::shared_ptr<InterruptCore>& core, std::string owner) {
  auto set = std::make_shared<SourceSet<I, Source>>(core, std::move(owner));
  core->add_holder(set);
  return std::make_unique<SourceGroup<I, Source>>(std::move(set));
}

// A group of one pin that is ready.
class Wire final : public LevelInterrupt {
 public:
  Wire(std::unique_ptr<LegacyGroup> group, std::shared_ptr<LegacyInterrupt> pin) noexcept
      : group_(std::move(group)), pin_(std::move(pin)) {}
  Result<void> raise() override { return pin_->raise(); }
  Result<void> lower() override { return pin_->lower(); }

 private:
  std::unique_ptr<LegacyGroup> group_;
  std::shared_ptr<LegacyInterrupt> pin_;
};

}  // namespace

std::string_view to_string(InterruptPath path) noexcept {
  switch (path) {
    case InterruptPath::kIrqfd: return "irqfd";
    case InterruptPath::kResampledIrqfd: return "irqfd and resample";
    case InterruptPath::kIrqLine: return "KVM_IRQ_LINE";
    case InterruptPath::kSignalMsi: return "KVM_SIGNAL_MSI";
  }
  return "?";
}

Interrupts::Interrupts(std::shared_ptr<IrqCalls> calls, EventLoop& loop, std::uint32_t gsi_limit) {
  const std::uint32_t gsis = std::max(std::min(calls->gsi_count(), gsi_limit), kIoApicPins);
  core_ = std::make_shared<InterruptCore>(std::move(calls), loop, gsis);
}

std::unique_ptr<MsiGroup> Interrupts::msi_group(std::string owner, std::optional<IdRange<Gsi>> within) const {
  static constexpr auto kMessages = IdRange<Gsi>::constant(kIoApicPins, std::numeric_limits<std::uint32_t>::max());
  // Bounds without a GSI that is no pin leave nothing to choose from, and allocate() will say so.
  const IdRange<Gsi> bounds =
      within ? within->intersection(kMessages).value_or(IdRange<Gsi>::single(kMessages.last())) : kMessages;
  auto set = std::make_shared<RoutedMsiSet>(core_, std::move(owner), bounds);
  core_->add_holder(set);
  return std::make_unique<RoutedMsiGroup>(std::move(set));
}

std::unique_ptr<MsiGroup> Interrupts::unrouted_msi_group(std::string owner) const {
  return make_group<MsiInterrupt, UnroutedMsi>(core_, std::move(owner));
}

std::unique_ptr<LegacyGroup> Interrupts::pin_group(std::string owner) const {
  return make_group<LegacyInterrupt, LinePin>(core_, std::move(owner));
}

std::unique_ptr<ResampledGroup> Interrupts::resampled_pin_group(std::string owner) const {
  return make_group<ResampledInterrupt, ResampledPin>(core_, std::move(owner));
}

Result<std::unique_ptr<LevelInterrupt>> Interrupts::wire(std::string owner, const LegacyIrqConfig& config) const {
  std::unique_ptr<LegacyGroup> group = pin_group(std::move(owner));
  KEEL_TRY_VOID(group->allocate(1));
  KEEL_TRY_VOID(group->update(0, config));
  KEEL_TRY_VOID(group->enable());
  KEEL_TRY(std::shared_ptr<LegacyInterrupt> pin, group->get(0));
  return std::make_unique<Wire>(std::move(group), std::move(pin));
}

std::vector<InterruptHolding> Interrupts::holdings() const {
  std::vector<std::shared_ptr<const Holder>> holders;
  {
    const Lock lock(core_->mutex);
    for (const auto& holder : core_->holders) {
      if (auto alive = holder.lock()) holders.push_back(std::move(alive));
    }
  }
  std::vector<InterruptHolding> holdings;
  for (const auto& holder : holders) holder->describe(holdings);
  return holdings;
}

std::uint64_t Interrupts::gsis_taken() const {
  return core_->gsis.inspect([](const GsiAllocator& gsis) { return gsis.owners().size(); });
}

}  // namespace keel::kvm
