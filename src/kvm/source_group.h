// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/kvm/interrupt_core.h"
#include "keel/base/mutex.h"
#include "keel/base/try.h"
#include "keel/interrupt/interrupt_source_group.h"

namespace keel::kvm {

// A group of interrupts that are set up one by one: what has been done is undone when one refuses. Source is an I that
// also has
//   static create(InterruptCore, owner) -> Result<shared_ptr<Source>>
//   is_enabled(), update(Config)
//   setup() -> Setup, restore(Setup): where it goes, and the event that it keeps; for undoing update()
//   hold_back() -> Result<void>: takes it out of the kernel's hands, and lets it forget nothing; then either disable(),
//     which cannot fail any more, or go_on()
//   retire(): disables and gives everything back, and refuses from then on
//   describe(InterruptHolding&)
template <typename I, typename Source>
class SourceSet final : public Holder {
 public:
  using Change = typename InterruptSourceGroup<I>::Change;

  SourceSet(std::shared_ptr<InterruptCore> core, std::string owner) noexcept
      : core_(std::move(core)), owner_(std::move(owner)) {}

  Result<void> allocate(std::size_t count) {
    if (count == 0)
      return fail(ErrorCode::kInvalidArgument, "\"{}\" asks for 0 interrupts; ask for at least 1", owner_);
    const Lock lock(mutex_);
    if (!sources_.empty()) {
      return fail(ErrorCode::kInvalidState, "\"{}\" has {} interrupts already; it gives them back before it takes {}",
                  owner_, sources_.size(), count);
    }
    std::vector<std::shared_ptr<Source>> taken;
    while (taken.size() < count) {
      KEEL_TRY(std::shared_ptr<Source> source, Source::create(core_, owner_));
      taken.push_back(std::move(source));
    }
    sources_ = std::move(taken);
    return {};
  }

  Result<void> free() {
    KEEL_TRY_VOID(disable());
    abandon();
    return {};
  }
  void abandon() noexcept {
    std::vector<std::shared_ptr<Source>> sources;  // destroyed after the lock is gone
    const Lock lock(mutex_);
    sources.swap(sources_);
    for (const auto& source : sources) source->retire();
  }

  // One that is disabled forgets its event and its level, which no undoing brings back. So all are held back first.
  Result<void> disable() {
    const Lock lock(mutex_);
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      Result<void> held = sources_[i]->hold_back();
      if (held) continue;
      while (i-- > 0) sources_[i]->go_on();
      return held;
    }
    for (const auto& source : sources_) static_cast<void>(source->disable());
    return {};
  }

  [[nodiscard]] std::size_t size() const noexcept {
    const Lock lock(mutex_);
    return sources_.size();
  }
  [[nodiscard]] Result<std::shared_ptr<I>> get(std::size_t index) const {
    const Lock lock(mutex_);
    KEEL_TRY_VOID(check_index(index));
    return sources_[index];
  }

  // Does to the sources what is not done yet (`is_done` differs from what `action` makes of it), or to none.
  using Action = Result<void> (Source::*)();
  using Question = bool (Source::*)() const;
  Result<void> change_all(Action action, Action inverse, Question question) {
    const Lock lock(mutex_);
    return change(sources_, action, inverse, question);
  }
  Result<void> change_some(std::span<const std::size_t> indices, Action action, Action inverse, Question question) {
    const Lock lock(mutex_);
    std::vector<std::shared_ptr<Source>> some;
    for (const std::size_t index : indices) {
      KEEL_TRY_VOID(check_index(index));
      some.push_back(sources_[index]);
    }
    return change(some, action, inverse, question);
  }

  Result<void> update(std::span<const Change> changes) {
    const Lock lock(mutex_);
    for (const Change& change : changes) KEEL_TRY_VOID(check_index(change.index));
    std::vector<typename Source::Setup> old;
    for (std::size_t i = 0; i < changes.size(); ++i) {
      Source& source = *sources_[changes[i].index];
      old.push_back(source.setup());
      Result<void> done = source.update(changes[i].config);
      if (done) continue;
      while (i-- > 0) sources_[changes[i].index]->restore(old[i]);
      return done;
    }
    return {};
  }

  void describe(std::vector<InterruptHolding>& into) const override {
    const Lock lock(mutex_);
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      into.push_back({.owner = owner_, .index = i});
      sources_[i]->describe(into.back());
    }
  }

 private:
  Result<void> check_index(std::size_t index) const KEEL_REQUIRES(mutex_) {
    if (index < sources_.size()) return {};
    return fail(ErrorCode::kOutOfBounds, "\"{}\" has {} interrupts, and no index {}", owner_, sources_.size(), index);
  }

  static Result<void> change(std::span<const std::shared_ptr<Source>> sources, Action action, Action inverse,
                             Question question) {
    std::vector<Source*> done;
    for (const auto& source : sources) {
      const bool before = ((*source).*question)();
      Result<void> result = ((*source).*action)();
      if (!result) {
        for (auto it = done.rbegin(); it != done.rend(); ++it) static_cast<void>(((**it).*inverse)());
        return result;
      }
      if (((*source).*question)() != before) done.push_back(source.get());
    }
    return {};
  }

  const std::shared_ptr<InterruptCore> core_;
  const std::string owner_;
  mutable Mutex mutex_;  // taken before a source's
  std::vector<std::shared_ptr<Source>> sources_ KEEL_GUARDED_BY(mutex_);
};

// The set as a device has it.
template <typename I, typename Source>
class SourceGroup final : public InterruptSourceGroup<I> {
 public:
  using Set = SourceSet<I, Source>;
  using Change = typename InterruptSourceGroup<I>::Change;

  explicit SourceGroup(std::shared_ptr<Set> set) noexcept : set_(std::move(set)) {}
  ~SourceGroup() override { set_->abandon(); }

  Result<void> allocate(std::size_t count) override { return set_->allocate(count); }
  Result<void> free() override { return set_->free(); }
  Result<void> enable() override { return set_->change_all(&Source::enable, &Source::disable, &Source::is_enabled); }
  Result<void> disable() override { return set_->disable(); }
  [[nodiscard]] std::size_t size() const noexcept override { return set_->size(); }
  [[nodiscard]] Result<std::shared_ptr<I>> get(std::size_t index) const override { return set_->get(index); }
  Result<void> update(std::span<const Change> changes) override { return set_->update(changes); }
  Result<void> mask(std::span<const std::size_t> indices) override {
    return set_->change_some(indices, &Source::mask, &Source::unmask, &Source::is_masked);
  }
  Result<void> unmask(std::span<const std::size_t> indices) override {
    return set_->change_some(indices, &Source::unmask, &Source::mask, &Source::is_masked);
  }

 private:
  const std::shared_ptr<Set> set_;
};

}  // namespace keel::kvm
