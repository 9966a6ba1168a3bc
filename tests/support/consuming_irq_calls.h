// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>

#include "support/fake_irq_calls.h"

namespace keel::testing {

// FakeIrqCalls that take signals out of eventfds as KVM does: while there is an irqfd, and not of one that is gone.
class ConsumingIrqCalls final : public kvm::IrqCalls {
 public:
  explicit ConsumingIrqCalls(std::uint32_t gsis) : fake(gsis) {}

  Result<void> set_routes(std::span<const kvm::MsiRoute> messages) override { return fake.set_routes(messages); }
  Result<void> add_irqfd(const EventFd& trigger, Gsi gsi) override { return fake.add_irqfd(trigger, gsi); }
  Result<void> add_resampled_irqfd(const EventFd& trigger, const EventFd& resample, Gsi gsi) override {
    return fake.add_resampled_irqfd(trigger, resample, gsi);
  }
  Result<void> remove_irqfd(const EventFd& trigger, Gsi gsi) override {
    Result<void> removed = fake.remove_irqfd(trigger, gsi);
    if (removed) consume(trigger.fd(), gsi);
    return removed;
  }
  Result<void> raise_line(Gsi gsi) override { return fake.raise_line(gsi); }
  Result<void> lower_line(Gsi gsi) override { return fake.lower_line(gsi); }
  Result<void> signal_msi(const MsiConfig& message) override { return fake.signal_msi(message); }
  [[nodiscard]] std::uint32_t gsi_count() const noexcept override { return fake.gsi_count(); }

  // What has fired since forget().
  std::set<Gsi> fired() {
    for (const auto& [fd, gsi] : fake.irqfds) consume(fd, gsi);
    return {fired_.begin(), fired_.end()};
  }
  [[nodiscard]] std::size_t times_fired() const { return fired_.size(); }
  void forget() {
    fired_.clear();
    fake.sent.clear();
  }

  FakeIrqCalls fake;

 private:
  void consume(int fd, Gsi gsi) {
    std::uint64_t count = 0;
    if (::read(fd, &count, sizeof(count)) == sizeof(count)) fired_.insert(gsi);
  }

  std::multiset<Gsi> fired_;
};

}  // namespace keel::testing
