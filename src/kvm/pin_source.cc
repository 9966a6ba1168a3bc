// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/kvm/pin_source.h"

#include "keel/base/try.h"

namespace keel::kvm {

std::unexpected<Error> PinSource::refuse(const char* why) const {
  return fail(ErrorCode::kInvalidState, "the pin of \"{}\" {}", owner_, why);
}

InterruptPath PinSource::path() const {
  return config_->trigger == TriggerMode::kEdge ? InterruptPath::kIrqfd : level_path_;
}

bool PinSource::is_event() const {
  return checked_ || resample_taken_ || (config_ && config_->trigger == TriggerMode::kEdge);
}

bool PinSource::wants_delivery() const {
  return is_event() ? unsent_ || trigger_.is_signalled() : raised_;
}

bool PinSource::pending() const {
  return enabled_ && !connected_ && (wants_delivery() || (!config_ && unsent_));
}

// What the device sends.

Result<void> PinSource::raise() {
  const Lock lock(mutex_);
  return raise_locked();
}

Result<void> PinSource::lower() {
  const Lock lock(mutex_);
  return lower_locked();
}

Result<void> PinSource::pulse() {
  const Lock lock(mutex_);
  if (config_ && config_->trigger == TriggerMode::kLevel)
    return refuse(
        "is level-triggered: a pulse could be over before the guest looks; raise it, and lower it when served");
  KEEL_TRY_VOID(raise_locked());
  return lower_locked();
}

Result<void> PinSource::raise_locked() {
  if (!enabled_) return refuse("is disabled, or was given back");
  if (raised_ && !checked_) return {};
  if (connected_)
    KEEL_TRY_VOID(send_up());
  else
    unsent_ = true;
  raised_ = true;
  return {};
}

Result<void> PinSource::lower_locked() {
  if (connected_) KEEL_TRY_VOID(send_down());
  raised_ = false;
  return {};
}

Result<void> PinSource::send_up() {
  if (path() != InterruptPath::kIrqLine) return trigger_.signal();
  if (line_up_) return {};
  KEEL_TRY_VOID(use_.pin().raise());
  line_up_ = true;
  return {};
}

// An irqfd has no way down: of an edge there is none, and a level goes when the guest acknowledges it.
Result<void> PinSource::send_down() {
  if (!line_up_) return {};
  KEEL_TRY_VOID(use_.pin().lower());
  line_up_ = false;
  return {};
}

// How it is set up.

Result<void> PinSource::enable() {
  const Lock lock(mutex_);
  if (gone_) return refuse("was given back and is used again");
  if (enabled_) return {};
  KEEL_TRY_VOID(trigger_.drain());  // what was signalled while it was disabled
  enabled_ = true;
  Result<void> arranged = arrange();
  if (!arranged) enabled_ = false;
  return arranged;
}

Result<void> PinSource::disable() {
  const Lock lock(mutex_);
  if (!enabled_) return {};
  KEEL_TRY_VOID(disconnect());
  enabled_ = raised_ = unsent_ = held_back_ = false;
  return {};
}

Result<void> PinSource::hold_back() {
  const Lock lock(mutex_);
  KEEL_TRY_VOID(disconnect());
  held_back_ = enabled_;
  return {};
}

void PinSource::go_on() noexcept {
  const Lock lock(mutex_);
  held_back_ = false;
  static_cast<void>(arrange());
}

Result<void> PinSource::mask() {
  const Lock lock(mutex_);
  KEEL_TRY_VOID(disconnect());
  masked_ = true;
  return {};
}

Result<void> PinSource::unmask() {
  const Lock lock(mutex_);
  if (gone_) return refuse("was given back and is used again");
  const bool was_masked = std::exchange(masked_, false);
  Result<void> arranged = arrange();
  if (!arranged) masked_ = was_masked;
  return arranged;
}

Result<void> PinSource::configure(const std::optional<LegacyIrqConfig>& config) {
  const Lock lock(mutex_);
  return configure_locked(config);
}

PinSource::Setup PinSource::setup() const {
  const Lock lock(mutex_);
  return {.config = config_, .unsent = unsent_};
}

void PinSource::restore(const Setup& setup) noexcept {
  const Lock lock(mutex_);
  static_cast<void>(configure_locked(setup.config));
  // A level that it was meanwhile may have dropped it. Rather twice than not at all.
  if (!connected_) unsent_ = unsent_ || (enabled_ && setup.unsent);
}

Result<void> PinSource::configure_locked(const std::optional<LegacyIrqConfig>& config) {
  if (gone_) return refuse("was given back and is used again");
  KEEL_TRY_VOID(disconnect());
  Result<void> done = config && config_ && config->line == config_->line ? listen_as(*config) : move_to(config);
  if (!done) static_cast<void>(arrange());
  return done;
}

Result<void> PinSource::listen_as(const LegacyIrqConfig& config) {
  KEEL_TRY_VOID(core_->pins->change(use_, config.trigger));
  const LegacyIrqConfig old = *std::exchange(config_, config);
  Result<void> arranged = arrange();
  if (arranged) return arranged;
  // Refused where others have come to share the pin meanwhile; it stays as they know it then.
  if (core_->pins->change(use_, old.trigger)) config_ = old;
  return arranged;
}

Result<void> PinSource::move_to(const std::optional<LegacyIrqConfig>& config) {
  PinUse other;  // the new pin, then the old one, which is left when all is done
  if (config) {
    KEEL_TRY(other, core_->pins->join(owner_, *config));
  }
  std::swap(use_, other);
  const std::optional<LegacyIrqConfig> old = std::exchange(config_, config);
  Result<void> arranged = arrange();
  if (arranged) return arranged;
  std::swap(use_, other);
  config_ = old;
  return arranged;
}

Result<void> PinSource::arrange() {
  return enabled_ && !masked_ && !held_back_ && config_ ? connect() : disconnect();
}

Result<void> PinSource::connect() {
  if (connected_) return {};
  const bool deliver = wants_delivery();
  KEEL_TRY(const std::uint64_t waiting, trigger_.drain());
  Result<void> added;
  if (path() == InterruptPath::kIrqfd) added = core_->calls->add_irqfd(trigger_, use_.pin().gsi());
  if (path() == InterruptPath::kResampledIrqfd) added = connect_level_irqfd();
  connected_ = added.has_value();
  if (added && deliver) added = send_up();
  if (added) {
    unsent_ = false;
    return {};
  }
  static_cast<void>(disconnect());
  if (waiting != 0) static_cast<void>(trigger_.signal());
  return added;
}

Result<void> PinSource::connect_level_irqfd() {
  KEEL_TRY_VOID(resample_->drain());
  if (!resample_taken_) {
    KEEL_TRY(resample_watch_, core_->loop.watch(resample_->fd(), Readiness::kReadable, [self = weak_from_this()] {
      if (const auto source = self.lock()) source->resampled();
    }));
  }
  Result<void> added = core_->calls->add_resampled_irqfd(trigger_, *resample_, use_.pin().gsi());
  if (!added) resample_watch_ = Watch();
  return added;
}

Result<void> PinSource::disconnect() {
  if (!connected_) return {};
  KEEL_TRY_VOID(send_down());
  if (path() != InterruptPath::kIrqLine) KEEL_TRY_VOID(core_->calls->remove_irqfd(trigger_, use_.pin().gsi()));
  resample_watch_ = Watch();
  connected_ = false;
  return {};
}

// The guest has acknowledged, and KVM has lowered the line. Lost is nothing: who raises it after the question below was
// answered signals by himself.
void PinSource::resampled() {
  std::shared_ptr<InterruptStatusChecker> checker;
  {
    const Lock lock(mutex_);
    if (!connected_ || resample_taken_) return;
    static_cast<void>(resample_->drain());
    if (!checked_) {
      if (raised_) static_cast<void>(send_up());
      return;
    }
    checker = checker_.lock();
  }
  if (!checker || !checker->wants_service()) return;
  const Lock lock(mutex_);
  if (connected_)
    static_cast<void>(send_up());
  else
    unsent_ = enabled_;
}

void PinSource::retrigger_while(const std::shared_ptr<InterruptStatusChecker>& checker) {
  const Lock lock(mutex_);
  checker_ = checker;
  checked_ = checker != nullptr;
}

const EventFd& PinSource::take_resample_notifier() {
  const Lock lock(mutex_);
  resample_taken_ = true;
  resample_watch_ = Watch();
  return *resample_;
}

void PinSource::retire() noexcept {
  const Lock lock(mutex_);
  // Where KVM will not let go, the pin stays taken until the eventfd is closed with this source.
  const bool free = disconnect().has_value();
  enabled_ = raised_ = unsent_ = false;
  gone_ = true;
  if (free) {
    use_.reset();
    config_.reset();
  }
}

bool PinSource::is_enabled() const {
  const Lock lock(mutex_);
  return enabled_;
}

std::optional<LegacyIrqConfig> PinSource::config() const {
  const Lock lock(mutex_);
  return config_;
}

bool PinSource::is_masked() const {
  const Lock lock(mutex_);
  return masked_;
}

bool PinSource::is_pending() const {
  const Lock lock(mutex_);
  return pending();
}

void PinSource::describe(InterruptHolding& into) const {
  const Lock lock(mutex_);
  if (config_) {
    into.config = *config_;
    into.gsi = config_->line;
    into.path = path();
  }
  into.enabled = enabled_;
  into.masked = masked_;
  into.pending = pending();
}

}  // namespace keel::kvm
