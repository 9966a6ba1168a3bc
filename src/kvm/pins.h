// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "src/kvm/pin_source.h"
#include "keel/base/try.h"
#include "keel/interrupt/interrupt_source_group.h"
#include "keel/interrupt/notifier.h"

namespace keel::kvm {

// A PinSource with the face I, LegacyInterrupt or ResampledInterrupt.
template <typename I>
class PinFace : public I {
 public:
  explicit PinFace(std::shared_ptr<PinSource> source) noexcept : source_(std::move(source)) {}

  Result<void> enable() override { return source_->enable(); }
  Result<void> disable() override { return source_->disable(); }
  [[nodiscard]] bool is_enabled() const { return source_->is_enabled(); }
  Result<void> update(const LegacyIrqConfig& config) override { return source_->configure(config); }
  using Setup = PinSource::Setup;
  [[nodiscard]] Setup setup() const { return source_->setup(); }
  void restore(const Setup& setup) noexcept { source_->restore(setup); }
  [[nodiscard]] std::optional<LegacyIrqConfig> config() const override { return source_->config(); }
  Result<void> mask() override { return source_->mask(); }
  Result<void> unmask() override { return source_->unmask(); }
  [[nodiscard]] bool is_masked() const override { return source_->is_masked(); }
  [[nodiscard]] bool is_pending() const override { return source_->is_pending(); }
  Result<void> raise() override { return source_->raise(); }
  Result<void> lower() override { return source_->lower(); }
  Result<void> trigger() override { return source_->pulse(); }
  Result<void> hold_back() { return source_->hold_back(); }
  void go_on() noexcept { source_->go_on(); }
  void retire() noexcept { source_->retire(); }
  void describe(InterruptHolding& into) const { source_->describe(into); }

 protected:
  const std::shared_ptr<PinSource> source_;
};

class LinePin final : public PinFace<LegacyInterrupt> {
 public:
  using PinFace::PinFace;
  [[nodiscard]] static Result<std::shared_ptr<LinePin>> create(std::shared_ptr<InterruptCore> core, std::string owner) {
    KEEL_TRY(EventFd trigger, EventFd::create());
    return std::make_shared<LinePin>(std::make_shared<PinSource>(
        std::move(core), std::move(owner), InterruptPath::kIrqLine, std::move(trigger), std::nullopt));
  }
};

class ResampledPin final : public PinFace<ResampledInterrupt>,
                           public TriggerNotifier<EventFd>,
                           public ResampleNotifier<EventFd> {
 public:
  using PinFace::PinFace;
  [[nodiscard]] static Result<std::shared_ptr<ResampledPin>> create(std::shared_ptr<InterruptCore> core,
                                                                    std::string owner) {
    KEEL_TRY(EventFd trigger, EventFd::create());
    KEEL_TRY(EventFd resample, EventFd::create());
    return std::make_shared<ResampledPin>(std::make_shared<PinSource>(
        std::move(core), std::move(owner), InterruptPath::kResampledIrqfd, std::move(trigger), std::move(resample)));
  }

  void retrigger_while(const std::shared_ptr<InterruptStatusChecker>& checker) override {
    source_->retrigger_while(checker);
  }
  [[nodiscard]] const EventFd& trigger_notifier() const noexcept override { return source_->trigger_notifier(); }
  [[nodiscard]] const EventFd& take_resample_notifier() override { return source_->take_resample_notifier(); }
};

}  // namespace keel::kvm
