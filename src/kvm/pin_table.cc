// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/kvm/pin_table.h"

#include <algorithm>
#include <span>

#include "src/kvm/irq_routing.h"
#include "keel/base/try.h"

namespace keel::kvm {
namespace {

std::string quote(std::span<const std::string> names) {
  std::string text;
  for (const std::string& name : names) text += fmt::format("{}\"{}\"", text.empty() ? "" : ", ", name);
  return text;
}

std::unexpected<Error> refuse(const std::string& owner, const LegacyIrqConfig& wanted, TriggerMode has,
                              std::span<const std::string> users) {
  return fail(ErrorCode::kAlreadyExists,
              "\"{}\" wants {}-triggered pin {}, which is {}-triggered and used by {}; only level-triggered pins are "
              "shared",
              owner, to_string(wanted.trigger), wanted.line, to_string(has), quote(users));
}

}  // namespace

Result<void> Pin::raise() {
  const Lock lock(mutex_);
  if (raised_ == 0) KEEL_TRY_VOID(calls_.raise_line(gsi()));
  ++raised_;
  return {};
}

Result<void> Pin::lower() {
  const Lock lock(mutex_);
  if (raised_ == 1) KEEL_TRY_VOID(calls_.lower_line(gsi()));
  --raised_;
  return {};
}

PinUse& PinUse::operator=(PinUse&& other) noexcept {
  if (this == &other) return *this;
  reset();
  table_ = std::move(other.table_);
  pin_ = std::move(other.pin_);
  owner_ = std::move(other.owner_);
  return *this;
}

void PinUse::reset() noexcept {
  if (!pin_) return;
  table_->leave(pin_, owner_);
  pin_.reset();
  table_.reset();
}

Result<PinUse> PinTable::join(const std::string& owner, const LegacyIrqConfig& config) {
  if (config.line.value() >= kIoApicPins) {
    return fail(ErrorCode::kOutOfBounds, "\"{}\" wants pin {}; the IOAPIC has pins 0 to {}", owner, config.line,
                kIoApicPins - 1);
  }
  const Lock lock(mutex_);
  std::shared_ptr<Pin>& pin = pins_[config.line];
  if (!pin) {
    auto gsi = gsis_.allocate({.owner = owner, .within = IdRange<Gsi>::single(config.line)});
    if (!gsi) {
      pins_.erase(config.line);
      return std::unexpected(std::move(gsi).error());
    }
    pin = std::make_shared<Pin>(*calls_, std::move(*gsi), config.trigger);
  } else if (config.trigger == TriggerMode::kEdge || pin->trigger_ == TriggerMode::kEdge) {
    return refuse(owner, config, pin->trigger_, pin->users_);
  }
  pin->users_.push_back(owner);
  return PinUse(shared_from_this(), pin, owner);
}

Result<void> PinTable::change(const PinUse& use, TriggerMode trigger) {
  const Lock lock(mutex_);
  Pin& pin = use.pin();
  if (pin.users_.size() > 1 && trigger != pin.trigger_)
    return refuse(use.owner_, {.line = pin.gsi(), .trigger = trigger}, pin.trigger_, pin.users_);
  pin.trigger_ = trigger;
  return {};
}

void PinTable::leave(const std::shared_ptr<Pin>& pin, const std::string& owner) noexcept {
  const Lock lock(mutex_);
  const auto user = std::ranges::find(pin->users_, owner);
  if (user != pin->users_.end()) pin->users_.erase(user);
  if (!pin->users_.empty()) return;
  pins_.erase(pin->gsi());
  pin->gsi_.reset();  // under the lock, for whoever joins next
}

}  // namespace keel::kvm
