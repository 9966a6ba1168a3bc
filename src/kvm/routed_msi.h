// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/kvm/interrupt_core.h"
#include "keel/base/event_fd.h"
#include "keel/interrupt/interrupt_source_group.h"
#include "keel/interrupt/notifier.h"

namespace keel::kvm {

class RoutedMsi;

// What is wanted of one message.
struct MsiState {
  bool enabled = false;
  bool masked = false;
  std::optional<MsiConfig> config = std::nullopt;

  // Whether it is to reach the guest.
  [[nodiscard]] bool live() const noexcept { return enabled && !masked && config.has_value(); }
};

// The messages of one group, whose changes it makes, all or nothing: routes first, in one call, then the irqfds.
class RoutedMsiSet final : public Holder, public std::enable_shared_from_this<RoutedMsiSet> {
 public:
  RoutedMsiSet(std::shared_ptr<InterruptCore> core, std::string owner, IdRange<Gsi> within) noexcept
      : core_(std::move(core)), owner_(std::move(owner)), within_(within) {}

  Result<void> allocate(std::size_t count);
  // On error everything is as it was.
  Result<void> free();
  // For those who cannot stay: what KVM refuses to let go keeps its GSI until its eventfd is closed.
  void abandon() noexcept;
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] Result<std::shared_ptr<MsiInterrupt>> get(std::size_t index) const;

  // For all messages, those with these indices, or one. withdraw() is for what may also be done to one given back.
  using Change = std::function<void(MsiState&)>;
  Result<void> change_all(const Change& change);
  Result<void> change_some(std::span<const std::size_t> indices, const Change& change);
  Result<void> change_one(RoutedMsi& message, const Change& change);
  Result<void> withdraw(RoutedMsi& message, const Change& change);
  Result<void> update(std::span<const MsiGroup::Change> changes);

  [[nodiscard]] MsiState state(const RoutedMsi& message) const;
  [[nodiscard]] bool is_pending(const RoutedMsi& message) const;
  void describe(std::vector<InterruptHolding>& into) const override;

 private:
  struct Step {
    RoutedMsi* message;
    MsiState next;
  };
  Result<void> check_index(std::size_t index) const KEEL_REQUIRES(mutex_);
  Result<void> apply(std::span<const Step> steps) KEEL_REQUIRES(mutex_);
  void undo(std::span<const Step> steps) KEEL_REQUIRES(mutex_);

  const std::shared_ptr<InterruptCore> core_;
  const std::string owner_;
  const IdRange<Gsi> within_;
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<RoutedMsi>> messages_ KEEL_GUARDED_BY(mutex_);
};

// One message: an eventfd, and an irqfd while it is live.
class RoutedMsi final : public MsiInterrupt, public TriggerNotifier<EventFd> {
 public:
  RoutedMsi(std::shared_ptr<RoutedMsiSet> set, std::shared_ptr<IrqCalls> calls, GsiLease gsi, EventFd event) noexcept
      : set_(std::move(set)), calls_(std::move(calls)), gsi_(std::move(gsi)), event_(std::move(event)) {}

  Result<void> enable() override;
  Result<void> disable() override;
  Result<void> update(const MsiConfig& config) override;
  [[nodiscard]] std::optional<MsiConfig> config() const override;
  Result<void> mask() override;
  Result<void> unmask() override;
  [[nodiscard]] bool is_masked() const override;
  [[nodiscard]] bool is_pending() const override;
  Result<void> trigger() override;
  [[nodiscard]] const EventFd& trigger_notifier() const noexcept override { return event_; }

 private:
  friend class RoutedMsiSet;

  // All below: under the set's lock, but for triggerable_.
  Result<void> attach();
  Result<void> detach();

  const std::shared_ptr<RoutedMsiSet> set_;
  const std::shared_ptr<IrqCalls> calls_;
  GsiLease gsi_;  // given back after the eventfd is closed, which takes any irqfd with it
  EventFd event_;
  MsiState state_;
  bool attached_ = false;
  bool gone_ = false;
  std::atomic<bool> triggerable_ = false;  // enabled
};

// The set as a device has it.
class RoutedMsiGroup final : public MsiGroup {
 public:
  explicit RoutedMsiGroup(std::shared_ptr<RoutedMsiSet> set) noexcept : set_(std::move(set)) {}
  ~RoutedMsiGroup() override { set_->abandon(); }

  Result<void> allocate(std::size_t count) override { return set_->allocate(count); }
  Result<void> free() override { return set_->free(); }
  Result<void> enable() override;
  Result<void> disable() override;
  [[nodiscard]] std::size_t size() const noexcept override { return set_->size(); }
  [[nodiscard]] Result<std::shared_ptr<MsiInterrupt>> get(std::size_t index) const override { return set_->get(index); }
  Result<void> update(std::span<const Change> changes) override { return set_->update(changes); }
  Result<void> mask(std::span<const std::size_t> indices) override;
  Result<void> unmask(std::span<const std::size_t> indices) override;

 private:
  const std::shared_ptr<RoutedMsiSet> set_;
};

}  // namespace keel::kvm
