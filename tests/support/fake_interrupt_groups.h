// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/fake_interrupt_controller.h"

// What FakeInterruptController's groups are made of.
namespace keel::testing {

// What both kinds have in common: on or off, masked or not, and a notifier that keeps what cannot be delivered.
template <typename I, typename Self>
class FakeSource : public I, public TriggerNotifier<FakeNotifier> {
 public:
  Result<void> enable() override { return set(&FakeSource::enabled_, true); }
  Result<void> disable() override { return set(&FakeSource::enabled_, false); }
  Result<void> mask() override { return set(&FakeSource::masked_, true); }
  Result<void> unmask() override { return set(&FakeSource::masked_, false); }

  Result<void> update(const typename I::Config& config) override {
    const Lock lock(controller_.mutex_);
    if (gone_) return refuse("was given back");
    return change_config(config);
  }
  [[nodiscard]] std::optional<typename I::Config> config() const override {
    const Lock lock(controller_.mutex_);
    return config_;
  }
  [[nodiscard]] bool is_masked() const override {
    const Lock lock(controller_.mutex_);
    return masked_;
  }
  [[nodiscard]] bool is_pending() const override {
    const Lock lock(controller_.mutex_);
    return enabled_ && !connected() && self().holds_back();
  }
  [[nodiscard]] const FakeNotifier& trigger_notifier() const noexcept override { return notifier_; }

 protected:
  explicit FakeSource(FakeInterruptController& controller)
      : controller_(controller), notifier_([this](FakeNotifier::Count& count) {
          const Lock lock(controller_.mutex_);
          if (connected())
            self().send();
          else
            ++count;
        }) {}

  static Result<void> refuse(const char* why) { return fail(ErrorCode::kInvalidState, "fake interrupt {}", why); }
  [[nodiscard]] bool connected() const { return enabled_ && !masked_ && config_.has_value(); }

  FakeInterruptController& controller_;
  FakeNotifier notifier_;
  bool gone_ = false;
  bool enabled_ = false;
  bool masked_ = false;
  std::optional<typename I::Config> config_;

 private:
  template <typename, typename>
  friend class FakeGroup;
  Self& self() noexcept { return static_cast<Self&>(*this); }
  const Self& self() const noexcept { return static_cast<const Self&>(*this); }

  Result<void> set(bool FakeSource::* what, bool value) {
    const Lock lock(controller_.mutex_);
    return change(what, value);
  }
  Result<void> change(bool FakeSource::* what, bool value) {
    const bool harmless = what == &FakeSource::masked_ ? value : !value;
    if (gone_ && !harmless) return refuse("was given back");
    if (this->*what == value) return {};
    if (what == &FakeSource::enabled_ && value) static_cast<void>(notifier_.drain());
    const bool before = connected();
    this->*what = value;
    if (before && !connected()) self().disconnected();
    if (!before && connected()) self().now_connected();
    return {};
  }
  Result<void> change_config(const std::optional<typename I::Config>& config) {
    if (config) KEEL_TRY_VOID(self().check_config(*config));
    const bool before = connected();
    if (before) self().disconnected();
    self().take_config(config);
    if (connected()) self().now_connected();
    return {};
  }
};

class FakeMsi final : public FakeSource<MsiInterrupt, FakeMsi> {
 public:
  explicit FakeMsi(FakeInterruptController& controller) : FakeSource(controller) {}

  Result<void> trigger() override {
    {
      const Lock lock(controller_.mutex_);
      if (!enabled_) return refuse("is disabled");
    }
    return notifier_.signal();
  }

 private:
  template <typename, typename>
  friend class FakeSource;
  template <typename, typename>
  friend class FakeGroup;

  bool take_number() KEEL_NO_THREAD_SAFETY_ANALYSIS {
    const auto run =
        controller_.gsis_.allocate({.within = IdRange<Gsi>::constant(FakeInterruptController::kPins, 0xffff'ffff)});
    if (run) gsi_ = run->first();
    return run.has_value();
  }
  void give_number_back() KEEL_NO_THREAD_SAFETY_ANALYSIS { static_cast<void>(controller_.gsis_.free(gsi_)); }
  Result<void> check_config(const MsiConfig&) { return {}; }
  void take_config(const std::optional<MsiConfig>& config) { config_ = config; }
  void send() KEEL_NO_THREAD_SAFETY_ANALYSIS { controller_.deliver(*config_); }
  void disconnected() {}
  void now_connected() {
    if (notifier_.drain().value_or(0) != 0) send();
  }
  [[nodiscard]] bool holds_back() const { return notifier_.is_signalled(); }

  Gsi gsi_;
};

class FakePin final : public FakeSource<ResampledInterrupt, FakePin>, public ResampleNotifier<FakeNotifier> {
 public:
  explicit FakePin(FakeInterruptController& controller) : FakeSource(controller) {}

  Result<void> raise() override {
    {
      const Lock lock(controller_.mutex_);
      if (!enabled_) return refuse("is disabled");
      if (raised_ && !checked_) return {};
      raised_ = true;
    }
    return notifier_.signal();
  }
  Result<void> lower() override {
    const Lock lock(controller_.mutex_);
    raised_ = false;
    if (config_ && config_->trigger == TriggerMode::kLevel) disconnected();
    return {};
  }
  Result<void> trigger() override {
    if (const auto now = config(); now && now->trigger == TriggerMode::kLevel) return refuse("is level-triggered");
    KEEL_TRY_VOID(raise());
    return lower();
  }
  void retrigger_while(const std::shared_ptr<InterruptStatusChecker>& checker) override {
    const Lock lock(controller_.mutex_);
    checker_ = checker;
    checked_ = checker != nullptr;
  }
  [[nodiscard]] const FakeNotifier& take_resample_notifier() override {
    const Lock lock(controller_.mutex_);
    resample_taken_ = true;
    return resampled_;
  }

 private:
  friend class FakeInterruptController;
  template <typename, typename>
  friend class FakeSource;
  template <typename, typename>
  friend class FakeGroup;
  using Pin = FakeInterruptController::Pin;

  [[nodiscard]] Pin& pin() const KEEL_NO_THREAD_SAFETY_ANALYSIS { return controller_.pins_[config_->line.value()]; }
  bool take_number() { return true; }
  void give_number_back() {}

  Result<void> check_config(const LegacyIrqConfig& config) KEEL_NO_THREAD_SAFETY_ANALYSIS {
    if (config.line.value() >= FakeInterruptController::kPins)
      return fail(ErrorCode::kOutOfBounds, "there is no pin {}", config.line);
    for (const FakePin* other : controller_.pins_[config.line.value()].users) {
      if (other == this) continue;
      if (config.trigger == TriggerMode::kEdge || other->config_->trigger == TriggerMode::kEdge)
        return fail(ErrorCode::kAlreadyExists, "pin {} is taken", config.line);
    }
    return {};
  }
  void take_config(const std::optional<LegacyIrqConfig>& config) KEEL_NO_THREAD_SAFETY_ANALYSIS {
    if (config_) {
      std::erase(pin().users, this);
      if (pin().users.empty()) static_cast<void>(controller_.gsis_.free(config_->line));
    }
    config_ = config;
    if (config_) {
      if (pin().users.empty()) static_cast<void>(controller_.gsis_.allocate(IdRequest<Gsi>{.at = config_->line}));
      pin().users.push_back(this);
    }
  }
  void send() KEEL_NO_THREAD_SAFETY_ANALYSIS {
    if (config_->trigger == TriggerMode::kEdge) return controller_.edge(pin());
    if (std::ranges::find(pin().asserting, this) == pin().asserting.end()) pin().asserting.push_back(this);
    controller_.sample(pin());
  }
  void disconnected() {
    std::erase(pin().asserting, this);
    if (!enabled_) raised_ = false;
  }
  // A level is sent as it is now; of a signal that went past the device's state nothing else is known.
  void now_connected() {
    const bool signalled = notifier_.drain().value_or(0) != 0;
    const bool past = checked_ || resample_taken_ || config_->trigger == TriggerMode::kEdge;
    if (past ? signalled : raised_) send();
  }
  [[nodiscard]] bool holds_back() const {
    const bool past = checked_ || resample_taken_ || !config_ || config_->trigger == TriggerMode::kEdge;
    return past ? notifier_.is_signalled() : raised_;
  }

  // The guest has acknowledged.
  void resampled() {
    static_cast<void>(resampled_.signal());
    std::shared_ptr<InterruptStatusChecker> checker;
    {
      const Lock lock(controller_.mutex_);
      if (resample_taken_) return;
      if (!checked_) {
        if (raised_ && connected()) send();
        return;
      }
      checker = checker_.lock();
    }
    if (checker && checker->wants_service()) static_cast<void>(notifier_.signal());
  }

  bool raised_ = false;
  bool checked_ = false;
  bool resample_taken_ = false;
  std::weak_ptr<InterruptStatusChecker> checker_;
  FakeNotifier resampled_;
};

template <typename I, typename Source>
class FakeGroup final : public InterruptSourceGroup<I> {
 public:
  using Change = typename InterruptSourceGroup<I>::Change;
  explicit FakeGroup(FakeInterruptController& controller) : controller_(controller) {}
  ~FakeGroup() override { static_cast<void>(free()); }

  Result<void> allocate(std::size_t count) override {
    const Lock lock(controller_.mutex_);
    if (count == 0) return fail(ErrorCode::kInvalidArgument, "0 interrupts are none");
    if (!sources_.empty()) return fail(ErrorCode::kInvalidState, "{} interrupts are allocated", sources_.size());
    std::vector<std::shared_ptr<Source>> taken;
    while (taken.size() < count) {
      auto source = std::make_shared<Source>(controller_);
      if (!source->take_number()) {
        for (const auto& other : taken) other->give_number_back();
        return fail(ErrorCode::kExhausted, "no more than {} of {} interrupts are left", taken.size(), count);
      }
      taken.push_back(std::move(source));
    }
    sources_ = std::move(taken);
    return {};
  }
  Result<void> free() override {
    const Lock lock(controller_.mutex_);
    for (const auto& source : sources_) {
      static_cast<void>(source->change(&Source::enabled_, false));
      static_cast<void>(source->change_config(std::nullopt));
      source->give_number_back();
      source->gone_ = true;
    }
    sources_.clear();
    return {};
  }
  Result<void> enable() override { return change_all(&Source::enabled_, true); }
  Result<void> disable() override { return change_all(&Source::enabled_, false); }

  [[nodiscard]] std::size_t size() const noexcept override {
    const Lock lock(controller_.mutex_);
    return sources_.size();
  }
  [[nodiscard]] Result<std::shared_ptr<I>> get(std::size_t index) const override {
    const Lock lock(controller_.mutex_);
    KEEL_TRY_VOID(check_index(index));
    return sources_[index];
  }

  Result<void> update(std::span<const Change> changes) override {
    const Lock lock(controller_.mutex_);
    for (const Change& change : changes) KEEL_TRY_VOID(check_index(change.index));
    std::vector<std::pair<std::size_t, std::optional<typename I::Config>>> done;
    for (const Change& change : changes) {
      done.emplace_back(change.index, sources_[change.index]->config_);
      Result<void> changed = sources_[change.index]->change_config(change.config);
      if (changed) continue;
      done.pop_back();
      for (auto it = done.rbegin(); it != done.rend(); ++it)
        static_cast<void>(sources_[it->first]->change_config(it->second));
      return changed;
    }
    return {};
  }
  Result<void> mask(std::span<const std::size_t> indices) override {
    return change_some(indices, &Source::masked_, true);
  }
  Result<void> unmask(std::span<const std::size_t> indices) override {
    return change_some(indices, &Source::masked_, false);
  }

 private:
  Result<void> check_index(std::size_t index) const {
    if (index < sources_.size()) return {};
    return fail(ErrorCode::kOutOfBounds, "interrupt {} of {}", index, sources_.size());
  }
  template <typename Member>
  Result<void> change_all(Member what, bool value) {
    const Lock lock(controller_.mutex_);
    for (const auto& source : sources_) KEEL_TRY_VOID(source->change(what, value));
    return {};
  }
  template <typename Member>
  Result<void> change_some(std::span<const std::size_t> indices, Member what, bool value) {
    const Lock lock(controller_.mutex_);
    for (const std::size_t index : indices) KEEL_TRY_VOID(check_index(index));
    for (const std::size_t index : indices) KEEL_TRY_VOID(sources_[index]->change(what, value));
    return {};
  }

  FakeInterruptController& controller_;
  std::vector<std::shared_ptr<Source>> sources_;
};

inline std::unique_ptr<MsiGroup> FakeInterruptController::msi_group() {
  return std::make_unique<FakeGroup<MsiInterrupt, FakeMsi>>(*this);
}
inline std::unique_ptr<ResampledGroup> FakeInterruptController::legacy_group() {
  return std::make_unique<FakeGroup<ResampledInterrupt, FakePin>>(*this);
}

// As with KVM, everyone who listens at the pin hears of it, and not only who raised it.
inline void FakeInterruptController::end_of_interrupt(std::uint8_t vector) {
  std::vector<FakePin*> resampled;
  {
    const Lock lock(mutex_);
    for (Pin& pin : pins_) {
      if (pin.vector != vector || !pin.in_service) continue;
      pin.in_service = false;
      pin.asserting.clear();
      std::ranges::copy_if(pin.users, std::back_inserter(resampled), [](FakePin* user) { return user->connected(); });
    }
  }
  for (FakePin* pin : resampled) pin->resampled();
}

}  // namespace keel::testing
