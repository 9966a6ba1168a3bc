// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <utility>

#include "keel/base/unique_fd.h"
#include "keel/kvm/irq_calls.h"

namespace keel::kvm {

// IrqCalls on a VM's descriptor.
class IrqIoctls final : public IrqCalls {
 public:
  explicit IrqIoctls(std::shared_ptr<const UniqueFd> vm);

  Result<void> set_routes(std::span<const MsiRoute> messages) override;
  Result<void> add_irqfd(const EventFd& trigger, Gsi gsi) override;
  Result<void> add_resampled_irqfd(const EventFd& trigger, const EventFd& resample, Gsi gsi) override;
  Result<void> remove_irqfd(const EventFd& trigger, Gsi gsi) override;
  Result<void> raise_line(Gsi gsi) override;
  Result<void> lower_line(Gsi gsi) override;
  Result<void> signal_msi(const MsiConfig& message) override;
  [[nodiscard]] std::uint32_t gsi_count() const noexcept override { return gsi_count_; }

 private:
  std::shared_ptr<const UniqueFd> vm_;
  std::uint32_t gsi_count_;
};

}  // namespace keel::kvm
