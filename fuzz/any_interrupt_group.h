// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "fake/model_interrupts.h"
#include "keel/base/error.h"
#include "keel/interrupt/interrupt_source_group.h"

namespace keel::fuzz {

// What is done to one interrupt; to a message, a raise is a trigger, and a lower nothing.
enum class InterruptAction : std::uint8_t { kEnable, kDisable, kMask, kUnmask, kUpdate, kRaise, kLower, kTrigger };

template <typename I>
Result<void> perform(I& interrupt, InterruptAction action, const fake::AnyIrqConfig& config) {
  switch (action) {
    case InterruptAction::kEnable: return interrupt.enable();
    case InterruptAction::kDisable: return interrupt.disable();
    case InterruptAction::kMask: return interrupt.mask();
    case InterruptAction::kUnmask: return interrupt.unmask();
    case InterruptAction::kUpdate: return interrupt.update(std::get<typename I::Config>(config));
    case InterruptAction::kRaise:
      if constexpr (std::is_base_of_v<LevelInterrupt, I>) return interrupt.raise();
      return interrupt.trigger();
    case InterruptAction::kLower:
      if constexpr (std::is_base_of_v<LevelInterrupt, I>) return interrupt.lower();
      return {};
    case InterruptAction::kTrigger: return interrupt.trigger();
  }
  return {};
}

// An interrupt of any kind.
class AnyInterrupt {
 public:
  AnyInterrupt() = default;
  template <typename I>
  explicit AnyInterrupt(std::shared_ptr<I> interrupt) : interrupt_(std::move(interrupt)) {}

  // What one does that was given back. None does too.
  [[nodiscard]] bool refuses() const {
    return std::visit(
        [](const auto& interrupt) {
          if (!interrupt) return true;
          using enum InterruptAction;
          for (const InterruptAction action : {kEnable, kUnmask, kRaise, kTrigger})
            if (perform(*interrupt, action, {})) return false;
          for (const InterruptAction action : {kDisable, kMask, kLower})
            if (!perform(*interrupt, action, {})) return false;
          return !interrupt->is_pending();
        },
        interrupt_);
  }

 private:
  std::variant<std::shared_ptr<MsiInterrupt>, std::shared_ptr<LegacyInterrupt>, std::shared_ptr<ResampledInterrupt>>
      interrupt_;
};

// A group of any kind; configurations are of the kind that it takes.
class AnyInterruptGroup {
 public:
  using Changes = std::vector<std::pair<std::size_t, fake::AnyIrqConfig>>;

  template <typename I>
  explicit AnyInterruptGroup(std::unique_ptr<InterruptSourceGroup<I>> group) : group_(std::move(group)) {}

  Result<void> allocate(std::size_t count) {
    return std::visit([&](auto& group) { return group->allocate(count); }, group_);
  }
  Result<void> free() {
    return std::visit([](auto& group) { return group->free(); }, group_);
  }
  // To all: kEnable and kDisable.
  Result<void> to_all(InterruptAction action) {
    return std::visit(
        [&](auto& group) { return action == InterruptAction::kEnable ? group->enable() : group->disable(); }, group_);
  }
  // kMask and kUnmask.
  Result<void> to_some(std::span<const std::size_t> indices, InterruptAction action) {
    return std::visit(
        [&](auto& group) { return action == InterruptAction::kMask ? group->mask(indices) : group->unmask(indices); },
        group_);
  }
  Result<void> update(const Changes& changes) {
    return std::visit(
        [&]<typename I>(std::unique_ptr<InterruptSourceGroup<I>>& group) {
          std::vector<typename InterruptSourceGroup<I>::Change> all;
          for (const auto& [index, config] : changes) all.push_back({index, std::get<typename I::Config>(config)});
          return group->update(all);
        },
        group_);
  }
  Result<void> to_one(std::size_t index, InterruptAction action, const fake::AnyIrqConfig& config) {
    return std::visit([&](auto& group) { return perform(*group->get(index).value(), action, config); }, group_);
  }
  // The first, or none.
  [[nodiscard]] AnyInterrupt first() const {
    return std::visit(
        [](const auto& group) {
          auto interrupt = group->get(0);
          return interrupt ? AnyInterrupt(std::move(*interrupt)) : AnyInterrupt();
        },
        group_);
  }

 private:
  std::variant<std::unique_ptr<MsiGroup>, std::unique_ptr<LegacyGroup>, std::unique_ptr<ResampledGroup>> group_;
};

}  // namespace keel::fuzz
