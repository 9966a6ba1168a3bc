// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/kvm/unrouted_msi.h"

#include "keel/base/try.h"

namespace keel::kvm {

std::unexpected<Error> UnroutedMsi::refuse(const char* why) const {
  return fail(ErrorCode::kInvalidState, "a message of \"{}\" {}", owner_, why);
}

Result<void> UnroutedMsi::settle() {
  if (!pending_ || !enabled_ || masked_ || !config_) return {};
  KEEL_TRY_VOID(calls_->signal_msi(*config_));
  pending_ = false;
  return {};
}

Result<void> UnroutedMsi::trigger() {
  const Lock lock(mutex_);
  if (!enabled_) return refuse("is disabled, or was given back");
  if (!masked_ && config_) return calls_->signal_msi(*config_);
  pending_ = true;
  return {};
}

Result<void> UnroutedMsi::enable() {
  const Lock lock(mutex_);
  if (gone_) return refuse("was given back and is used again");
  enabled_ = true;
  return {};
}

Result<void> UnroutedMsi::disable() {
  const Lock lock(mutex_);
  enabled_ = false;
  pending_ = false;
  return {};
}

bool UnroutedMsi::is_enabled() const {
  const Lock lock(mutex_);
  return enabled_;
}

Result<void> UnroutedMsi::configure(const std::optional<MsiConfig>& config) {
  const Lock lock(mutex_);
  if (gone_) return refuse("was given back and is used again");
  const std::optional<MsiConfig> old = std::exchange(config_, config);
  Result<void> settled = settle();
  if (!settled) config_ = old;
  return settled;
}

std::optional<MsiConfig> UnroutedMsi::config() const {
  const Lock lock(mutex_);
  return config_;
}

Result<void> UnroutedMsi::mask() {
  const Lock lock(mutex_);
  masked_ = true;
  return {};
}

Result<void> UnroutedMsi::unmask() {
  const Lock lock(mutex_);
  if (gone_) return refuse("was given back and is used again");
  const bool was_masked = std::exchange(masked_, false);
  Result<void> settled = settle();
  if (!settled) masked_ = was_masked;
  return settled;
}

bool UnroutedMsi::is_masked() const {
  const Lock lock(mutex_);
  return masked_;
}

bool UnroutedMsi::is_pending() const {
  const Lock lock(mutex_);
  return pending_;
}

void UnroutedMsi::retire() noexcept {
  const Lock lock(mutex_);
  enabled_ = pending_ = false;
  gone_ = true;
}

void UnroutedMsi::describe(InterruptHolding& into) const {
  const Lock lock(mutex_);
  if (config_) into.config = *config_;
  into.path = InterruptPath::kSignalMsi;
  into.enabled = enabled_;
  into.masked = masked_;
  into.pending = pending_;
}

}  // namespace keel::kvm
