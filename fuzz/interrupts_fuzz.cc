// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Groups of interrupts of all kinds, made, set up, moved, fired and dropped at random over a kernel of which any call
// may fail, beside a model. Who holds what, and what reaches the guest, must agree after every call; a call that failed
// has changed nothing and lost no event; at the end everything is given back.

#include <fuzzer/FuzzedDataProvider.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fake/model_interrupts.h"
#include "fuzz/any_interrupt_group.h"
#include "support/consuming_irq_calls.h"
#include "keel/base/check.h"
#include "keel/base/epoll_loop.h"
#include "keel/kvm/interrupts.h"

namespace keel::kvm {
namespace {

using fake::AnyIrqConfig;
using fake::GroupKind;
using fake::ModelGroup;
using fake::ModelInterrupt;
using fake::ModelInterrupts;
using fuzz::InterruptAction;

constexpr std::uint32_t kGsis = 30;  // six for messages, so that they run out

int lowest_free_descriptor() {
  const int fd = ::dup(STDERR_FILENO);
  ::close(fd);
  return fd;
}

class Session {
 public:
  Session(const std::uint8_t* data, std::size_t size) : in_(data, size) {}

  void run() {
    for (int i = 0; i < 200 && in_.remaining_bytes() != 0; ++i) {
      act();
      compare();
    }
    while (!groups_.empty()) {
      drop(groups_.size() - 1);
      compare();
    }
    check(interrupts_.gsis_taken() == 0 && kernel_->fake.live() == testing::FakeIrqCalls::Live{},
          "everything is given back");
  }

 private:
  void act() {
    if (groups_.empty()) return make();
    const auto at = in_.ConsumeIntegralInRange<std::size_t>(0, groups_.size() - 1);
    switch (in_.ConsumeIntegralInRange(0, 11)) {
      case 0: return make();
      case 1: return in_.ConsumeBool() ? drop(at) : resample();
      case 2: return allocate(at);
      case 3: return free(at);
      case 4: return enable_or_disable(at);
      case 5: return mask_or_unmask(at);
      case 6:
      case 7: return update(at);
      default: return one(at);
    }
  }

  void make() {
    if (groups_.size() == 5) return;
    const auto kind = static_cast<GroupKind>(in_.ConsumeIntegralInRange(0, 3));
    const std::string owner = in_.PickValueInArray<std::string>({"a", "b", "c"});
    std::optional<IdRange<Gsi>> within;
    if (in_.ConsumeBool()) {
      const auto first = in_.ConsumeIntegralInRange<std::uint32_t>(0, 40);
      within = IdRange<Gsi>::from_count(Gsi(first), in_.ConsumeIntegralInRange<std::uint32_t>(1, 8)).value();
    }
    model_.groups.push_back({.kind = kind, .owner = owner, .within = within, .interrupts = {}});
    switch (kind) {
      case GroupKind::kRouted: groups_.emplace_back(interrupts_.msi_group(owner, within)); break;
      case GroupKind::kUnrouted: groups_.emplace_back(interrupts_.unrouted_msi_group(owner)); break;
      case GroupKind::kPins: groups_.emplace_back(interrupts_.pin_group(owner)); break;
      case GroupKind::kResampled: groups_.emplace_back(interrupts_.resampled_pin_group(owner)); break;
    }
  }
  void drop(std::size_t at) {
    kept_ = groups_[at].first();
    groups_.erase(groups_.begin() + static_cast<std::ptrdiff_t>(at));
    model_.groups.erase(model_.groups.begin() + static_cast<std::ptrdiff_t>(at));
    check(kept_.refuses(), "an interrupt of a group that is gone refuses");
  }
  void allocate(std::size_t at) {
    const auto count = in_.ConsumeIntegralInRange<std::size_t>(0, 4);
    both([&](ModelInterrupts& model) { return model.allocate(model.groups[at], count); },
         [&] { return groups_[at].allocate(count); });
  }
  void free(std::size_t at) {
    kept_ = groups_[at].first();
    const auto clear = [&](ModelInterrupts& model) {
      model.groups[at].interrupts.clear();
      return true;
    };
    if (both(clear, [&] { return groups_[at].free(); }))
      check(kept_.refuses(), "an interrupt that was given back refuses");
  }
  void enable_or_disable(std::size_t at) {
    const auto action = in_.ConsumeBool() ? InterruptAction::kEnable : InterruptAction::kDisable;
    both(
        [&](ModelInterrupts& model) {
          ModelGroup& group = model.groups[at];
          return std::ranges::all_of(group.interrupts, [&](ModelInterrupt& interrupt) {
            return in_model(model, group, interrupt, action, {});
          });
        },
        [&] { return groups_[at].to_all(action); });
  }
  void mask_or_unmask(std::size_t at) {
    const auto action = in_.ConsumeBool() ? InterruptAction::kMask : InterruptAction::kUnmask;
    std::vector<std::size_t> indices;
    for (int i = in_.ConsumeIntegralInRange(0, 3); i > 0; --i) indices.push_back(some_index());
    both(
        [&](ModelInterrupts& model) {
          ModelGroup& group = model.groups[at];
          return std::ranges::all_of(indices, [&](std::size_t index) {
            return index < group.interrupts.size() && in_model(model, group, group.interrupts[index], action, {});
          });
        },
        [&] { return groups_[at].to_some(indices, action); });
  }
  void update(std::size_t at) {
    fuzz::AnyInterruptGroup::Changes changes;
    for (int i = in_.ConsumeIntegralInRange(0, 3); i > 0; --i) {
      const std::size_t index = some_index();
      changes.emplace_back(index, some_config(at));
    }
    both(
        [&](ModelInterrupts& model) {
          ModelGroup& group = model.groups[at];
          return std::ranges::all_of(changes, [&](const auto& change) {
            const auto& [index, config] = change;
            return index < group.interrupts.size() && model.update(group, group.interrupts[index], config);
          });
        },
        [&] { return groups_[at].update(changes); });
  }
  // What may be done to one by itself.
  void one(std::size_t at) {
    const std::size_t index = some_index();
    if (index >= model_.groups[at].interrupts.size()) return;
    const auto action = static_cast<InterruptAction>(in_.ConsumeIntegralInRange(0, 7));
    const AnyIrqConfig config = some_config(at);
    both(
        [&](ModelInterrupts& model) {
          ModelGroup& group = model.groups[at];
          return in_model(model, group, group.interrupts[index], action, config);
        },
        [&] { return groups_[at].to_one(index, action, config); });
  }
  static bool in_model(ModelInterrupts& model, ModelGroup& group, ModelInterrupt& interrupt, InterruptAction action,
                       const AnyIrqConfig& config) {
    switch (action) {
      case InterruptAction::kEnable: model.enable(group, interrupt); break;
      case InterruptAction::kDisable: ModelInterrupts::disable(interrupt); break;
      case InterruptAction::kMask: ModelInterrupts::mask(interrupt); break;
      case InterruptAction::kUnmask: model.unmask(group, interrupt); break;
      case InterruptAction::kUpdate: return model.update(group, interrupt, config);
      case InterruptAction::kRaise:
        return group.has_pins() ? model.raise(group, interrupt) : model.trigger(group, interrupt);
      case InterruptAction::kLower: ModelInterrupts::lower(interrupt); break;
      case InterruptAction::kTrigger: return model.trigger(group, interrupt);
    }
    return true;
  }
  void resample() {
    both(
        [](ModelInterrupts& model) {
          model.resample();
          return true;
        },
        [&]() -> Result<void> {
          const std::uint64_t one = 1;
          for (const auto& [trigger, fd] : kernel_->fake.resample_fds)
            check(::write(fd, &one, sizeof(one)) == sizeof(one), "an eventfd takes a signal");
          check(loop_->serve(std::chrono::milliseconds(0)).has_value(), "the loop works");
          return {};
        });
  }

  // Does the same to the model and in earnest, there with a call of the kernel's that fails where it may; whether it
  // was done. What the model refuses is not made to fail on top of that: the way back needs the kernel.
  bool both(const std::function<bool(ModelInterrupts&)>& modelled, const std::function<Result<void>()>& in_earnest) {
    ModelInterrupts next = model_;
    next.fired.clear();
    next.perhaps_fired.clear();
    next.sent.clear();
    const bool possible = modelled(next);
    if (possible && in_.ConsumeIntegralInRange(0, 3) == 0) {
      const auto call = in_.ConsumeIntegralInRange<std::size_t>(0, 6);
      kernel_->fake.fail(call, call);
    }
    kernel_->forget();
    const Result<void> done = in_earnest();
    const bool faulted = kernel_->fake.has_failed();
    kernel_->fake.work();
    check(done.has_value() == (possible && !faulted), "what can be done is, and nothing else");
    const std::set<Gsi> fired = kernel_->fired();
    std::set<Gsi> may_fire = model_.resampled_up();
    may_fire.merge(next.resampled_up());
    may_fire.merge(std::set(next.perhaps_fired));
    if (done) {
      check(kernel_->fake.sent == next.sent, "these messages are sent, in this order");
      check(std::ranges::includes(fired, next.fired), "what is due fires");
      may_fire.merge(std::set(next.fired));
      check(std::ranges::includes(may_fire, fired), "nothing fires that is not due");
      model_ = std::move(next);
      return true;
    }
    forget_what_went_out(kernel_->times_fired() + kernel_->fake.sent.size());
    return false;
  }
  // A call that failed half way may have let out what was held back: then it is not pending any more, and else it is.
  void forget_what_went_out(std::size_t out) {
    std::size_t gone = 0;
    each_with_its_holding([&](ModelInterrupt& interrupt, const InterruptHolding& real) {
      if (!interrupt.remembered) return;
      if (!interrupt.shows_event()) {
        interrupt.unsure = true;
      } else if (!real.pending) {
        interrupt.remembered = false;
        ++gone;
      }
    });
    check(gone <= out, "no event is lost");
  }
  void look_at_what_was_unsure() {
    each_with_its_holding([](ModelInterrupt& interrupt, const InterruptHolding& real) {
      if (!interrupt.unsure || !interrupt.shows_event()) return;
      interrupt.remembered = real.pending;
      interrupt.unsure = false;
    });
  }
  void each_with_its_holding(const std::function<void(ModelInterrupt&, const InterruptHolding&)>& call) {
    const auto real = interrupts_.holdings();
    std::size_t at = 0;
    for (ModelGroup& group : model_.groups) {
      for (ModelInterrupt& interrupt : group.interrupts) {
        check(at < real.size(), "everybody holds as many as the model says");
        call(interrupt, real[at++]);
      }
    }
  }

  void compare() {
    look_at_what_was_unsure();
    check(interrupts_.holdings() == model_.holdings(), "everybody holds what the model says");
    const auto live = kernel_->fake.live();
    std::multiset<Gsi> irqfds;
    for (const auto& [fd, gsi] : live.irqfds) irqfds.insert(gsi);
    check(irqfds == model_.irqfds(), "there are these irqfds and no others");
    check(live.fed_routes == model_.routes(), "each message goes where its configuration says");
    check(live.lines_up == model_.lines_up(), "these lines are up and no others");
    check(interrupts_.gsis_taken() == model_.taken().size(), "these GSIs are taken and no others");
  }

  std::size_t some_index() { return in_.ConsumeIntegralInRange<std::size_t>(0, 4); }
  AnyIrqConfig some_config(std::size_t at) {
    if (model_.groups[at].has_pins()) {
      return LegacyIrqConfig{.line = Gsi(in_.PickValueInArray<std::uint32_t>({0, 4, 5, 10, 23, 24, 0xffff'ffff})),
                             .trigger = in_.ConsumeBool() ? TriggerMode::kEdge : TriggerMode::kLevel};
    }
    return MsiConfig{.address = MmioAddress(0xfee0'0000),
                     .data = in_.ConsumeIntegralInRange<std::uint32_t>(0x40, 0x43)};
  }

  FuzzedDataProvider in_;
  const std::shared_ptr<testing::ConsumingIrqCalls> kernel_ = std::make_shared<testing::ConsumingIrqCalls>(kGsis);
  const std::unique_ptr<EpollLoop> loop_ = EpollLoop::create().value();
  const Interrupts interrupts_{kernel_, *loop_};
  ModelInterrupts model_{kGsis};
  std::vector<fuzz::AnyInterruptGroup> groups_;  // as the model's
  fuzz::AnyInterrupt kept_;                      // beyond its group
};

}  // namespace
}  // namespace keel::kvm

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int before = keel::kvm::lowest_free_descriptor();
  keel::kvm::Session(data, size).run();
  keel::check(keel::kvm::lowest_free_descriptor() == before, "every descriptor is closed");
  return 0;
}
