// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <utility>

#include "keel/base/unique_fd.h"
#include "keel/bus/doorbell.h"
#include "keel/kvm/io_event.h"

namespace keel::kvm {

// Ioeventfds of a VM's descriptor, for the bus.
class IoEventHost final : public DoorbellHost {
 public:
  explicit IoEventHost(std::shared_ptr<const UniqueFd> vm) noexcept : vm_(std::move(vm)) {}

  [[nodiscard]] Result<std::unique_ptr<DoorbellBinding>> bind(const PioDoorbell& doorbell,
                                                              const EventFd& event) override;
  [[nodiscard]] Result<std::unique_ptr<DoorbellBinding>> bind(const MmioDoorbell& doorbell,
                                                              const EventFd& event) override;

 private:
  template <typename A>
  Result<std::unique_ptr<DoorbellBinding>> bind_on(const DoorbellOn<A>& doorbell, const EventFd& event);

  std::shared_ptr<const UniqueFd> vm_;
};

}  // namespace keel::kvm
