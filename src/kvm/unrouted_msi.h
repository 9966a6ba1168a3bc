// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "src/kvm/interrupt_core.h"
#include "keel/base/mutex.h"
#include "keel/interrupt/interrupt_source_group.h"

namespace keel::kvm {

// A message that KVM_SIGNAL_MSI sends: no GSI, no route, no eventfd, and so nothing to run out of.
class UnroutedMsi final : public MsiInterrupt {
 public:
  UnroutedMsi(std::shared_ptr<IrqCalls> calls, std::string owner) noexcept
      : calls_(std::move(calls)), owner_(std::move(owner)) {}
  [[nodiscard]] static Result<std::shared_ptr<UnroutedMsi>> create(const std::shared_ptr<InterruptCore>& core,
                                                                   const std::string& owner) {
    return std::make_shared<UnroutedMsi>(core->calls, owner);
  }

  Result<void> enable() override;
  Result<void> disable() override;
  // Nothing of it is in the kernel's hands.
  static Result<void> hold_back() { return {}; }
  static void go_on() noexcept {}
  [[nodiscard]] bool is_enabled() const;
  Result<void> update(const MsiConfig& config) override { return configure(config); }
  Result<void> configure(const std::optional<MsiConfig>& config);
  // An event that went out while it had another configuration is not kept.
  using Setup = std::optional<MsiConfig>;
  [[nodiscard]] Setup setup() const { return config(); }
  void restore(const Setup& setup) noexcept { static_cast<void>(configure(setup)); }
  [[nodiscard]] std::optional<MsiConfig> config() const override;
  Result<void> mask() override;
  Result<void> unmask() override;
  [[nodiscard]] bool is_masked() const override;
  [[nodiscard]] bool is_pending() const override;
  Result<void> trigger() override;
  void retire() noexcept;
  void describe(InterruptHolding& into) const;

 private:
  [[nodiscard]] std::unexpected<Error> refuse(const char* why) const;
  // Sends what is pending once nothing holds it back; on error it stays pending.
  Result<void> settle() KEEL_REQUIRES(mutex_);

  const std::shared_ptr<IrqCalls> calls_;
  const std::string owner_;
  mutable Mutex mutex_;  // held while it sends, so that an update returns when no message goes where it went before
  bool gone_ KEEL_GUARDED_BY(mutex_) = false;
  bool enabled_ KEEL_GUARDED_BY(mutex_) = false;
  bool masked_ KEEL_GUARDED_BY(mutex_) = false;
  bool pending_ KEEL_GUARDED_BY(mutex_) = false;
  std::optional<MsiConfig> config_ KEEL_GUARDED_BY(mutex_);
};

}  // namespace keel::kvm
