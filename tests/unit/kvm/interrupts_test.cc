// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/interrupts.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "support/fake_irq_calls.h"
#include "support/open_descriptors.h"
#include "keel/base/epoll_loop.h"
#include "keel/interrupt/notifier.h"

namespace keel::kvm {
namespace {

constexpr MsiConfig message(std::uint32_t data) {
  return {.address = MmioAddress(0xfee0'0000), .data = data};
}
constexpr LegacyIrqConfig level(std::uint32_t pin) {
  return {.line = Gsi(pin), .trigger = TriggerMode::kLevel};
}
constexpr LegacyIrqConfig edge(std::uint32_t pin) {
  return {.line = Gsi(pin), .trigger = TriggerMode::kEdge};
}

class KvmInterrupts : public ::testing::Test {
 protected:
  std::unique_ptr<MsiGroup> routed(std::size_t count, const std::string& owner = "net0") {
    auto group = interrupts.msi_group(owner);
    EXPECT_TRUE(group->allocate(count).has_value());
    for (std::size_t i = 0; i < count; ++i)
      EXPECT_TRUE(group->update(i, message(0x40 + static_cast<std::uint32_t>(i))).has_value());
    return group;
  }
  template <typename Group>
  static Group with_pin(Group group, const LegacyIrqConfig& config) {
    EXPECT_TRUE(group->allocate(1).has_value());
    EXPECT_TRUE(group->update(0, config).has_value());
    EXPECT_TRUE(group->enable().has_value());
    return group;
  }

  std::shared_ptr<testing::FakeIrqCalls> kernel = std::make_shared<testing::FakeIrqCalls>();
  std::unique_ptr<EpollLoop> loop = EpollLoop::create().value();
  Interrupts interrupts{kernel, *loop};
};

TEST_F(KvmInterrupts, ABatchOfRouteChangesIsOneSystemCall) {
  const auto group = routed(8);
  EXPECT_EQ(kernel->route_changes, 0);
  ASSERT_TRUE(group->enable().has_value());
  EXPECT_EQ(kernel->route_changes, 1);
  EXPECT_EQ(kernel->routes.size(), 8u);
  EXPECT_EQ(kernel->irqfds.size(), 8u);
  const MsiGroup::Change changes[] = {{1, message(0x81)}, {5, message(0x85)}};
  ASSERT_TRUE(group->update(changes).has_value());
  EXPECT_EQ(kernel->route_changes, 2);
  ASSERT_TRUE(group->update(changes).has_value());  // the same again
  EXPECT_EQ(kernel->route_changes, 2);
}

TEST_F(KvmInterrupts, AMaskedMessageCostsNoRouteUntilItIsUnmasked) {
  const auto group = routed(2);
  ASSERT_TRUE(group->enable().has_value());
  const std::size_t both[] = {0, 1};
  ASSERT_TRUE(group->mask(both).has_value());
  EXPECT_TRUE(kernel->irqfds.empty());
  ASSERT_TRUE(group->update(0, message(0x91)).has_value());
  ASSERT_TRUE(group->update(1, message(0x92)).has_value());
  EXPECT_EQ(kernel->route_changes, 1);
  ASSERT_TRUE(group->unmask(both).has_value());
  EXPECT_EQ(kernel->route_changes, 2);
  EXPECT_EQ(kernel->irqfds.size(), 2u);
  EXPECT_EQ(kernel->routes[0].message, message(0x91));
  // Masked and unmasked with nothing changed, no route changes.
  ASSERT_TRUE(group->mask(both).has_value());
  ASSERT_TRUE(group->unmask(both).has_value());
  EXPECT_EQ(kernel->route_changes, 2);
}

TEST_F(KvmInterrupts, WhatIsGivenBackLeavesTheTableWithTheNextBatch) {
  auto first = routed(3, "blk0");
  ASSERT_TRUE(first->enable().has_value());
  const auto second = routed(1);
  ASSERT_TRUE(second->enable().has_value());
  EXPECT_EQ(kernel->routes.size(), 4u);
  first.reset();
  EXPECT_EQ(kernel->irqfds.size(), 1u);
  EXPECT_EQ(kernel->route_changes, 2);
  ASSERT_TRUE(second->update(0, message(0x77)).has_value());
  EXPECT_EQ(kernel->routes, (std::vector<MsiRoute>{{Gsi(27), message(0x77)}}));
}

TEST_F(KvmInterrupts, ATableFullOfMessagesStillFits) {
  const auto group = routed(64 - 24);
  ASSERT_TRUE(group->enable().has_value());
  EXPECT_EQ(kernel->irqfds.size(), 40u);
  EXPECT_EQ(interrupts.gsis_taken(), 40u);
}

TEST_F(KvmInterrupts, ExhaustionSaysWhoHoldsWhat) {
  const auto net = routed(30);
  const auto disk = routed(8, "blk0");
  const auto late = interrupts.msi_group("rng0");
  const auto refused = late->allocate(3);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kExhausted);
  EXPECT_EQ(refused.error().message(),
            "message 3 of 3: \"rng0\": no gsi is left: all 40 of [24, 63] are taken; free one or widen the range; held "
            "by: net0 30, blk0 8, rng0 2");
}

TEST_F(KvmInterrupts, MessagesComeFromWhereTheyAreAskedFor) {
  const auto group = interrupts.msi_group("net0", IdRange<Gsi>::constant(40, 41));
  ASSERT_TRUE(group->allocate(2).has_value());
  EXPECT_EQ(interrupts.holdings()[0].gsi, Gsi(40));
  EXPECT_EQ(interrupts.holdings()[1].gsi, Gsi(41));
  // Beyond the table, and where there are only pins.
  for (const auto within : {IdRange<Gsi>::constant(64, 70), IdRange<Gsi>::constant(0, 23)}) {
    const auto refused = interrupts.msi_group("blk0", within)->allocate(1);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), ErrorCode::kOutOfBounds);
  }
}

TEST_F(KvmInterrupts, APinThatIsTakenNamesItsUsers) {
  const auto com = interrupts.wire("com1", edge(4)).value();
  const auto refused = interrupts.wire("net0", level(4));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(refused.error().message(),
            "\"net0\" wants level-triggered pin 4, which is edge-triggered and used by \"com1\"; only level-triggered "
            "pins are shared");
  const auto a = interrupts.wire("blk0", level(10)).value();
  const auto b = interrupts.wire("blk1", level(10)).value();
  const auto third = interrupts.wire("kbd0", edge(10));
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error().message(),
            "\"kbd0\" wants edge-triggered pin 10, which is level-triggered and used by \"blk0\", \"blk1\"; only "
            "level-triggered pins are shared");
  const auto beyond = interrupts.wire("kbd0", edge(24));
  ASSERT_FALSE(beyond.has_value());
  EXPECT_EQ(beyond.error().message(), "\"kbd0\" wants pin 24; the IOAPIC has pins 0 to 23");
}

TEST_F(KvmInterrupts, ASharedLineIsUpWhileAnyoneWantsItAndChangesOnlyThen) {
  const auto a = interrupts.wire("blk0", level(10)).value();
  const auto b = interrupts.wire("blk1", level(10)).value();
  ASSERT_TRUE(a->raise().has_value());
  ASSERT_TRUE(b->raise().has_value());
  ASSERT_TRUE(a->raise().has_value());
  ASSERT_TRUE(a->lower().has_value());
  EXPECT_TRUE(kernel->lines_up.contains(Gsi(10)));
  ASSERT_TRUE(b->lower().has_value());
  ASSERT_TRUE(b->lower().has_value());
  EXPECT_FALSE(kernel->lines_up.contains(Gsi(10)));
  EXPECT_EQ(kernel->line_changes, 2);
}

// All or nothing: what had been disabled by then has its event, and its level, as before.
TEST_F(KvmInterrupts, ADisableThatFailsForgetsNeitherEventsNorLevels) {
  const auto group = interrupts.pin_group("a");
  ASSERT_TRUE(group->allocate(3).has_value());
  const LegacyGroup::Change changes[] = {{0, edge(4)}, {1, level(10)}, {2, edge(5)}};
  ASSERT_TRUE(group->update(changes).has_value());
  ASSERT_TRUE(group->enable().has_value());
  ASSERT_TRUE(group->mask(0).has_value());
  ASSERT_TRUE(group->get(0).value()->trigger().has_value());
  ASSERT_TRUE(group->get(1).value()->raise().has_value());
  const auto before = interrupts.holdings();
  const auto live = kernel->live();
  const auto disable = [&] { return group->disable(); };
  const auto free = [&] { return group->free(); };
  for (const std::function<Result<void>()>& refused : {std::function<Result<void>()>(disable), {free}}) {
    kernel->fail(1, 1);  // behind the lowering of the line, the removal of the last irqfd
    EXPECT_FALSE(refused().has_value());
    EXPECT_TRUE(kernel->has_failed());
    kernel->work();
    EXPECT_EQ(interrupts.holdings(), before);
    EXPECT_EQ(kernel->live(), live);
  }
  EXPECT_TRUE(group->get(0).value()->is_pending());
  EXPECT_TRUE(kernel->lines_up.contains(Gsi(10)));
  ASSERT_TRUE(group->disable().has_value());
  EXPECT_FALSE(group->get(0).value()->is_pending());
  EXPECT_EQ(kernel->live(), testing::FakeIrqCalls::Live{});
}

// A level has no use for an event from before it was one; the interrupt that is none in the end still has.
TEST_F(KvmInterrupts, AnUpdateThatFailsForgetsNoEvent) {
  const auto group = interrupts.pin_group("a");
  ASSERT_TRUE(group->allocate(2).has_value());
  ASSERT_TRUE(group->enable().has_value());
  const auto early = group->get(0).value();
  ASSERT_TRUE(early->trigger().has_value());
  const auto before = interrupts.holdings();
  const LegacyGroup::Change changes[] = {{0, level(10)}, {1, edge(5)}};
  kernel->fail(0, 0);  // the irqfd of the second
  EXPECT_FALSE(group->update(changes).has_value());
  kernel->work();
  EXPECT_EQ(interrupts.holdings(), before);
  EXPECT_TRUE(early->is_pending());
  ASSERT_TRUE(group->update(changes).has_value());
  EXPECT_FALSE(early->is_pending());
}

TEST_F(KvmInterrupts, AWireThatIsDroppedLowersItsLineAndGivesItsPinBack) {
  auto a = interrupts.wire("blk0", level(10)).value();
  ASSERT_TRUE(a->raise().has_value());
  EXPECT_EQ(interrupts.gsis_taken(), 1u);
  a.reset();
  EXPECT_TRUE(kernel->lines_up.empty());
  EXPECT_EQ(interrupts.gsis_taken(), 0u);
  EXPECT_TRUE(interrupts.wire("kbd0", edge(10)).has_value());
}

TEST_F(KvmInterrupts, GroupsMayOutliveTheMachinesInterrupts) {
  auto own = std::make_unique<Interrupts>(kernel, *loop);
  const auto group = own->msi_group("net0");
  const auto wire = own->wire("blk0", level(10)).value();
  own.reset();
  ASSERT_TRUE(group->allocate(1).has_value());
  ASSERT_TRUE(group->update(0, message(0x41)).has_value());
  EXPECT_TRUE(group->enable().has_value());
  EXPECT_TRUE(wire->raise().has_value());
}

TEST_F(KvmInterrupts, HoldingsSayWhoHoldsWhichLineVectorAndEventfd) {
  const auto com = interrupts.wire("com1", edge(4)).value();
  const auto net = routed(2);
  ASSERT_TRUE(net->enable().has_value());
  ASSERT_TRUE(net->mask(1).has_value());
  ASSERT_TRUE(net->get(1).value()->trigger().has_value());
  const auto rng = interrupts.unrouted_msi_group("rng0");
  ASSERT_TRUE(rng->allocate(1).has_value());
  const auto gone = interrupts.wire("gone", level(9));
  const auto holdings = interrupts.holdings();
  ASSERT_EQ(holdings.size(), 5u);
  EXPECT_EQ(holdings[0].owner, "com1");
  EXPECT_EQ(holdings[0].gsi, Gsi(4));
  EXPECT_EQ(std::get<LegacyIrqConfig>(holdings[0].config), edge(4));
  EXPECT_TRUE(holdings[0].enabled);
  EXPECT_EQ(holdings[0].path, InterruptPath::kIrqfd);
  EXPECT_EQ(holdings[1].owner, "net0");
  EXPECT_EQ(holdings[1].gsi, Gsi(24));
  EXPECT_EQ(std::get<MsiConfig>(holdings[1].config), message(0x40));
  EXPECT_EQ(holdings[2].index, 1u);
  EXPECT_TRUE(holdings[2].masked);
  EXPECT_TRUE(holdings[2].pending);
  EXPECT_EQ(holdings[3].owner, "rng0");
  EXPECT_EQ(holdings[3].gsi, std::nullopt);
  EXPECT_EQ(holdings[3].path, InterruptPath::kSignalMsi);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(holdings[3].config));
  EXPECT_EQ(holdings[4].owner, "gone");
  EXPECT_EQ(holdings[4].path, InterruptPath::kIrqLine);
}

TEST_F(KvmInterrupts, AnUnroutedMessageThatCannotBeSentStaysPendingWhereItWasHeldBack) {
  const auto group = interrupts.unrouted_msi_group("rng0");
  ASSERT_TRUE(group->allocate(1).has_value());
  ASSERT_TRUE(group->update(0, message(0x41)).has_value());
  ASSERT_TRUE(group->enable().has_value());
  const auto interrupt = group->get(0).value();
  ASSERT_TRUE(interrupt->mask().has_value());
  ASSERT_TRUE(interrupt->trigger().has_value());
  kernel->fail_all_from(0);
  EXPECT_FALSE(interrupt->unmask().has_value());
  EXPECT_TRUE(interrupt->is_masked());
  EXPECT_TRUE(interrupt->is_pending());
  kernel->work();
  ASSERT_TRUE(interrupt->unmask().has_value());
  EXPECT_EQ(kernel->sent, (std::vector<MsiConfig>{message(0x41)}));
  EXPECT_FALSE(interrupt->is_pending());
}

TEST_F(KvmInterrupts, TheGuestsAcknowledgementRaisesAgainWhatIsStillUp) {
  const auto group = with_pin(interrupts.resampled_pin_group("vfio0"), level(10));
  const auto wire = group->get(0).value();
  const EventFd& trigger = *find_trigger_notifier<EventFd>(*wire);
  ASSERT_TRUE(wire->raise().has_value());
  EXPECT_EQ(trigger.drain().value(), 1u);
  // KVM's part of an end of interrupt.
  const int resample = kernel->resample_fds.at(trigger.fd());
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(resample, &one, sizeof(one)), 8);
  EXPECT_EQ(loop->serve(std::chrono::milliseconds(0)).value(), 1u);
  EXPECT_EQ(trigger.drain().value(), 1u);
  ASSERT_TRUE(wire->lower().has_value());
  ASSERT_EQ(::write(resample, &one, sizeof(one)), 8);
  EXPECT_EQ(loop->serve(std::chrono::milliseconds(0)).value(), 1u);
  EXPECT_FALSE(trigger.is_signalled());
  EXPECT_EQ(loop->serve(std::chrono::milliseconds(0)).value(), 0u);  // and the notifier is drained
}

// A loop that serves nothing and knows who watches.
class CountingLoop final : public EventLoop {
 public:
  std::size_t watches = 0;

 private:
  Result<Registration> add(int /*fd*/, Readiness /*readiness*/, std::function<void()> /*callback*/) override {
    return Registration{++watches};
  }
  void remove(Registration /*registration*/) noexcept override { --watches; }
};

TEST(KvmInterruptsLoop, TenThousandCyclesOfResampledPinsLeaveNoWatchBehind) {
  struct Checker final : InterruptStatusChecker {
    bool wants_service() override { return true; }
  };
  CountingLoop loop;
  Interrupts machine(std::make_shared<testing::FakeIrqCalls>(), loop);
  const auto checker = std::make_shared<Checker>();
  const std::size_t descriptors = testing::open_descriptors();
  for (int i = 0; i < 10'000; ++i) {
    const auto group = machine.resampled_pin_group("vfio0");
    ASSERT_TRUE(group->allocate(2).has_value());
    ASSERT_TRUE(group->update(0, level(10)).has_value());
    ASSERT_TRUE(group->update(1, level(11)).has_value());
    group->get(0).value()->retrigger_while(checker);
    ASSERT_TRUE(group->enable().has_value());
    ASSERT_EQ(loop.watches, 2u);
    // By every way that it can go: masked, moved, taken by somebody else, disabled, given back.
    ASSERT_TRUE(group->mask(1).has_value());
    ASSERT_EQ(loop.watches, 1u);
    ASSERT_TRUE(group->unmask(1).has_value());
    ASSERT_TRUE(group->update(1, level(12)).has_value());
    std::ignore = dynamic_cast<ResampleNotifier<EventFd>&>(*group->get(0).value()).take_resample_notifier();
    ASSERT_EQ(loop.watches, 1u);
    const bool disables = i % 2 == 0;
    if (disables) {
      ASSERT_TRUE(group->disable().has_value());
    }
    ASSERT_EQ(loop.watches, disables ? 0u : 1u);
    ASSERT_TRUE(group->free().has_value());
    ASSERT_EQ(loop.watches, 0u);
  }
  EXPECT_EQ(machine.gsis_taken(), 0u);
  EXPECT_EQ(testing::open_descriptors(), descriptors);
}

}  // namespace
}  // namespace keel::kvm
