// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/interrupts.h"

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_irq_calls.h"
#include "support/open_descriptors.h"
#include "keel/base/epoll_loop.h"

// Every system call of every operation is made to fail, alone and with all that follow; then the operation has changed
// nothing, and succeeds when it is tried again.
namespace keel::kvm {
namespace {

constexpr MsiConfig message(std::uint32_t data) {
  return {.address = MmioAddress(0xfee0'0000), .data = data};
}
constexpr LegacyIrqConfig level(std::uint32_t pin) {
  return {.line = Gsi(pin), .trigger = TriggerMode::kLevel};
}

// What a device sees of its interrupts.
struct Seen {
  struct One {
    std::optional<Gsi> gsi;
    std::variant<std::monostate, LegacyIrqConfig, MsiConfig> config;
    bool enabled;
    bool masked;
    friend bool operator==(const One&, const One&) = default;
  };
  std::vector<One> all;
  std::uint64_t gsis;
  std::size_t descriptors;
  friend bool operator==(const Seen&, const Seen&) = default;
};

class Faults : public ::testing::Test {
 protected:
  Seen seen() const {
    Seen now{{}, interrupts.gsis_taken(), testing::open_descriptors()};
    for (const InterruptHolding& one : interrupts.holdings())
      now.all.push_back({one.gsi, one.config, one.enabled, one.masked});
    return now;
  }

  // Tries `operation` with its first call failing, then its second, until it makes no more calls; it then stays done.
  void try_with_every_fault(const std::function<Result<void>()>& operation) {
    for (std::size_t call = 0;; ++call) {
      SCOPED_TRACE(fmt::format("call {}", call));
      const Seen before = seen();
      const auto live = kernel->live();
      kernel->fail(call, call);
      const Result<void> result = operation();
      const bool failed = kernel->has_failed();
      kernel->work();
      if (!failed) {
        EXPECT_TRUE(result.has_value()) << result.error().message();
        EXPECT_GT(call, 0u) << "the operation makes no call: the test cannot fail";
        return;
      }
      EXPECT_FALSE(result.has_value());
      EXPECT_EQ(seen(), before);
      EXPECT_EQ(kernel->live(), live);
      ASSERT_LT(call, 100u);
    }
  }

  // The same with every later call failing too, those of the undoing included: what the device sees has not changed,
  // and `operation` then works.
  void try_with_the_kernel_gone_from_every_call(const std::function<Result<void>()>& operation) {
    for (std::size_t call = 0;; ++call) {
      SCOPED_TRACE(fmt::format("from call {}", call));
      const Seen before = seen();
      kernel->fail_all_from(call);
      const Result<void> result = operation();
      const bool failed = kernel->has_failed();
      kernel->work();
      if (!failed) return;
      EXPECT_FALSE(result.has_value());
      EXPECT_EQ(seen(), before);
      ASSERT_LT(call, 100u);
    }
  }

  std::unique_ptr<MsiGroup> messages(std::size_t count) {
    auto group = interrupts.msi_group("net0");
    EXPECT_TRUE(group->allocate(count).has_value());
    for (std::size_t i = 0; i < count; ++i)
      EXPECT_TRUE(group->update(i, message(0x40 + static_cast<std::uint32_t>(i))).has_value());
    return group;
  }

  std::shared_ptr<testing::FakeIrqCalls> kernel = std::make_shared<testing::FakeIrqCalls>();
  std::unique_ptr<EpollLoop> loop = EpollLoop::create().value();
  Interrupts interrupts{kernel, *loop};
};

TEST_F(Faults, MessagesAreEnabledMovedMaskedAndFreedAllOrNothing) {
  const auto group = messages(3);
  const std::size_t outer[] = {0, 2};
  const MsiGroup::Change changes[] = {{0, message(0x90)}, {1, message(0x91)}};
  using Step = std::function<Result<void>()>;
  const std::vector<Step> script = {
      [&] { return group->enable(); },      [&] { return group->update(changes); },
      [&] { return group->mask(outer); },   [&] { return group->update(0, message(0xa0)); },
      [&] { return group->unmask(outer); }, [&] { return group->disable(); },
      [&] { return group->enable(); },      [&] { return group->free(); },
  };
  for (std::size_t i = 0; i < script.size(); ++i) {
    SCOPED_TRACE(fmt::format("step {}", i));
    if (i == 3)
      EXPECT_TRUE(script[i]().has_value());  // masked: nothing to call
    else
      try_with_every_fault(script[i]);
  }
  EXPECT_EQ(interrupts.gsis_taken(), 0u);
  EXPECT_TRUE(kernel->irqfds.empty());
}

TEST_F(Faults, MessagesSurviveAnUndoThatFailsToo) {
  const auto other = messages(1);
  ASSERT_TRUE(other->enable().has_value());
  const auto group = messages(3);
  const std::size_t all[] = {0, 1, 2};
  const MsiGroup::Change changes[] = {{0, message(0x90)}, {1, message(0x91)}, {2, message(0x92)}};
  try_with_the_kernel_gone_from_every_call([&] { return group->enable(); });
  EXPECT_EQ(kernel->live().fed_routes.size(), 4u);
  try_with_the_kernel_gone_from_every_call([&] { return group->update(changes); });
  try_with_the_kernel_gone_from_every_call([&] { return group->mask(all); });
  EXPECT_EQ(kernel->live().irqfds.size(), 1u);
  try_with_the_kernel_gone_from_every_call([&] { return group->unmask(all); });
  EXPECT_EQ(
      kernel->live().fed_routes,
      (std::map<Gsi, MsiConfig>{
          {Gsi(24), message(0x40)}, {Gsi(25), message(0x90)}, {Gsi(26), message(0x91)}, {Gsi(27), message(0x92)}}));
}

TEST_F(Faults, AnEventIsKeptWhenUnmaskingFails) {
  const auto group = messages(1);
  ASSERT_TRUE(group->enable().has_value());
  const auto interrupt = group->get(0).value();
  ASSERT_TRUE(interrupt->mask().has_value());
  ASSERT_TRUE(interrupt->trigger().has_value());
  ASSERT_TRUE(interrupt->update(message(0x99)).has_value());
  for (std::size_t call = 0; call < 2; ++call) {  // the route, the irqfd
    kernel->fail(call, call);
    EXPECT_FALSE(interrupt->unmask().has_value());
    EXPECT_TRUE(interrupt->is_masked());
    EXPECT_TRUE(interrupt->is_pending());
  }
  kernel->work();
  EXPECT_TRUE(interrupt->unmask().has_value());
  EXPECT_FALSE(interrupt->is_pending());
}

TEST_F(Faults, PinsAreEnabledMovedMaskedAndFreedAllOrNothing) {
  const auto neighbour = interrupts.wire("blk0", level(11)).value();
  const auto check = [&](const auto& group) {
    ASSERT_TRUE(group->allocate(2).has_value());
    ASSERT_TRUE(group->update(0, level(10)).has_value());
    ASSERT_TRUE(group->update(1, {.line = Gsi(4), .trigger = TriggerMode::kEdge}).has_value());
    const std::size_t both[] = {0, 1};
    using Change = std::remove_cvref_t<decltype(*group)>::Change;
    const Change changes[] = {{0, level(11)}, {1, {.line = Gsi(5), .trigger = TriggerMode::kEdge}}};
    const Change back[] = {{0, level(10)}, {1, level(5)}};
    try_with_every_fault([&] { return group->enable(); });
    ASSERT_TRUE(group->get(0).value()->raise().has_value());
    try_with_every_fault([&] { return group->update(changes); });
    try_with_every_fault([&] { return group->update(back); });
    try_with_every_fault([&] { return group->mask(both); });
    try_with_every_fault([&] { return group->unmask(both); });
    try_with_every_fault([&] { return group->free(); });
  };
  check(interrupts.resampled_pin_group("vfio0"));
  check(interrupts.pin_group("net0"));
  EXPECT_EQ(interrupts.gsis_taken(), 1u);
  EXPECT_TRUE(kernel->irqfds.empty());
  EXPECT_TRUE(kernel->lines_up.empty());
}

TEST_F(Faults, WhatTheKernelWillNotLetGoKeepsItsNumberUntilItsDescriptorIsClosed) {
  auto group = messages(1);
  ASSERT_TRUE(group->enable().has_value());
  auto kept = group->get(0).value();
  kernel->fail_all_from(0);
  group.reset();
  EXPECT_EQ(interrupts.gsis_taken(), 1u);  // the irqfd still feeds it
  EXPECT_EQ(kept->trigger().error().code(), ErrorCode::kInvalidState);
  kept.reset();
  EXPECT_EQ(interrupts.gsis_taken(), 0u);
}

}  // namespace
}  // namespace keel::kvm
