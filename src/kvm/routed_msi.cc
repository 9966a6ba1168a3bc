// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/kvm/routed_msi.h"

#include <utility>

#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel::kvm {
namespace {

void turn_on(MsiState& state) {
  state.enabled = true;
}
void turn_off(MsiState& state) {
  state.enabled = false;
}
void hold_back(MsiState& state) {
  state.masked = true;
}
void let_go(MsiState& state) {
  state.masked = false;
}

}  // namespace

Result<void> RoutedMsi::attach() {
  if (attached_) return {};
  // What came meanwhile goes through the irqfd as one event.
  KEEL_TRY(const std::uint64_t waiting, event_.drain());
  Result<void> added = calls_->add_irqfd(event_, gsi_.value());
  attached_ = added.has_value();
  if (waiting != 0) {
    if (Result<void> signalled = event_.signal(); !signalled) return signalled;
  }
  return added;
}

Result<void> RoutedMsi::detach() {
  if (!attached_) return {};
  KEEL_TRY_VOID(calls_->remove_irqfd(event_, gsi_.value()));
  attached_ = false;
  return {};
}

Result<void> RoutedMsi::trigger() {
  if (!triggerable_.load(std::memory_order_acquire))
    return fail(ErrorCode::kInvalidState, "a message that is disabled, or was given back, cannot be triggered");
  return event_.signal();
}

Result<void> RoutedMsi::enable() {
  return set_->change_one(*this, turn_on);
}
Result<void> RoutedMsi::disable() {
  return set_->withdraw(*this, turn_off);
}
Result<void> RoutedMsi::mask() {
  return set_->withdraw(*this, hold_back);
}
Result<void> RoutedMsi::unmask() {
  return set_->change_one(*this, let_go);
}
Result<void> RoutedMsi::update(const MsiConfig& config) {
  return set_->change_one(*this, [&config](MsiState& state) { state.config = config; });
}
std::optional<MsiConfig> RoutedMsi::config() const {
  return set_->state(*this).config;
}
bool RoutedMsi::is_masked() const {
  return set_->state(*this).masked;
}
bool RoutedMsi::is_pending() const {
  return set_->is_pending(*this);
}

Result<void> RoutedMsiSet::change_all(const Change& change) {
  const Lock lock(mutex_);
  std::vector<Step> steps;
  for (const auto& message : messages_) {
    steps.push_back({message.get(), message->state_});
    change(steps.back().next);
  }
  return apply(steps);
}

Result<void> RoutedMsiSet::change_some(std::span<const std::size_t> indices, const Change& change) {
  const Lock lock(mutex_);
  std::vector<Step> steps;
  for (const std::size_t index : indices) {
    KEEL_TRY_VOID(check_index(index));
    steps.push_back({messages_[index].get(), messages_[index]->state_});
    change(steps.back().next);
  }
  return apply(steps);
}

Result<void> RoutedMsiSet::change_one(RoutedMsi& message, const Change& change) {
  const Lock lock(mutex_);
  if (message.gone_)
    return fail(ErrorCode::kInvalidState, "a message of \"{}\" was given back and is used again", owner_);
  Step step{&message, message.state_};
  change(step.next);
  return apply({&step, 1});
}

Result<void> RoutedMsiSet::withdraw(RoutedMsi& message, const Change& change) {
  const Lock lock(mutex_);
  Step step{&message, message.state_};
  change(step.next);
  if (!message.gone_) return apply({&step, 1});
  message.state_ = step.next;
  return {};
}

Result<void> RoutedMsiSet::update(std::span<const MsiGroup::Change> changes) {
  const Lock lock(mutex_);
  std::vector<Step> steps;
  for (const MsiGroup::Change& change : changes) {
    KEEL_TRY_VOID(check_index(change.index));
    steps.push_back({messages_[change.index].get(), messages_[change.index]->state_});
    steps.back().next.config = change.config;
  }
  return apply(steps);
}

Result<void> RoutedMsiSet::apply(std::span<const Step> steps) {
  std::vector<MsiRoute> routes;
  for (const Step& step : steps) {
    if (step.next.live()) routes.push_back({step.message->gsi_.value(), *step.next.config});
    // What was signalled while it was disabled is dropped.
    if (step.next.enabled && !step.message->state_.enabled) KEEL_TRY_VOID(step.message->event_.drain());
  }
  if (!routes.empty()) KEEL_TRY_VOID(core_->routes.set(routes));
  for (const Step& step : steps) {
    Result<void> done = step.next.live() ? step.message->attach() : step.message->detach();
    if (done) continue;
    undo(steps);
    return std::unexpected(done.error().within(fmt::format("\"{}\"", owner_)));
  }
  for (const Step& step : steps) {
    step.message->state_ = step.next;
    step.message->triggerable_.store(step.next.enabled, std::memory_order_release);
  }
  return {};
}

// An irqfd that cannot be put back stays away: its events are kept, and the next change tries again.
void RoutedMsiSet::undo(std::span<const Step> steps) {
  std::vector<MsiRoute> routes;
  std::vector<Gsi> gsis;
  for (const Step& step : steps) {
    RoutedMsi& message = *step.message;
    gsis.push_back(message.gsi_.value());
    if (message.state_.live()) routes.push_back({message.gsi_.value(), *message.state_.config});
    if (!message.state_.live()) static_cast<void>(message.detach());
  }
  core_->routes.restore(routes, gsis);
  for (const Step& step : steps) {
    if (step.message->state_.live()) static_cast<void>(step.message->attach());
  }
}

Result<void> RoutedMsiSet::allocate(std::size_t count) {
  if (count == 0) return fail(ErrorCode::kInvalidArgument, "\"{}\" asks for 0 messages; ask for at least 1", owner_);
  const Lock lock(mutex_);
  if (!messages_.empty()) {
    return fail(ErrorCode::kInvalidState, "\"{}\" has {} messages already; it gives them back before it takes {}",
                owner_, messages_.size(), count);
  }
  std::vector<std::shared_ptr<RoutedMsi>> taken;
  while (taken.size() < count) {
    auto gsi = core_->gsis.allocate({.owner = owner_, .within = within_});
    if (!gsi) return std::unexpected(gsi.error().within(fmt::format("message {} of {}", taken.size() + 1, count)));
    KEEL_TRY(EventFd event, EventFd::create());
    taken.push_back(std::make_shared<RoutedMsi>(shared_from_this(), core_->calls, std::move(*gsi), std::move(event)));
  }
  messages_ = std::move(taken);
  return {};
}

Result<void> RoutedMsiSet::free() {
  KEEL_TRY_VOID(change_all(turn_off));
  abandon();
  return {};
}

void RoutedMsiSet::abandon() noexcept {
  std::vector<std::shared_ptr<RoutedMsi>> messages;  // destroyed after the lock is gone
  const Lock lock(mutex_);
  std::vector<Gsi> gsis;
  for (const auto& message : messages_) {
    message->triggerable_.store(false, std::memory_order_release);
    message->state_.enabled = false;
    message->gone_ = true;
    gsis.push_back(message->gsi_.value());
    if (message->detach()) message->gsi_.reset();
  }
  core_->routes.forget(gsis);
  messages.swap(messages_);
}

std::size_t RoutedMsiSet::size() const noexcept {
  const Lock lock(mutex_);
  return messages_.size();
}

Result<std::shared_ptr<MsiInterrupt>> RoutedMsiSet::get(std::size_t index) const {
  const Lock lock(mutex_);
  KEEL_TRY_VOID(check_index(index));
  return messages_[index];
}

Result<void> RoutedMsiSet::check_index(std::size_t index) const {
  if (index < messages_.size()) return {};
  return fail(ErrorCode::kOutOfBounds, "\"{}\" has {} messages, and no index {}", owner_, messages_.size(), index);
}

MsiState RoutedMsiSet::state(const RoutedMsi& message) const {
  const Lock lock(mutex_);
  return message.state_;
}

bool RoutedMsiSet::is_pending(const RoutedMsi& message) const {
  const Lock lock(mutex_);
  return message.state_.enabled && !message.attached_ && message.event_.is_signalled();
}

void RoutedMsiSet::describe(std::vector<InterruptHolding>& into) const {
  const Lock lock(mutex_);
  for (std::size_t i = 0; i < messages_.size(); ++i) {
    const RoutedMsi& message = *messages_[i];
    InterruptHolding holding{.owner = owner_,
                             .index = i,
                             .gsi = message.gsi_.value(),
                             .config = {},
                             .path = InterruptPath::kIrqfd,
                             .enabled = message.state_.enabled,
                             .masked = message.state_.masked,
                             .pending = message.state_.enabled && !message.attached_ && message.event_.is_signalled()};
    if (message.state_.config) holding.config = *message.state_.config;
    into.push_back(std::move(holding));
  }
}

Result<void> RoutedMsiGroup::enable() {
  return set_->change_all(turn_on);
}
Result<void> RoutedMsiGroup::disable() {
  return set_->change_all(turn_off);
}
Result<void> RoutedMsiGroup::mask(std::span<const std::size_t> indices) {
  return set_->change_some(indices, hold_back);
}
Result<void> RoutedMsiGroup::unmask(std::span<const std::size_t> indices) {
  return set_->change_some(indices, let_go);
}

}  // namespace keel::kvm
