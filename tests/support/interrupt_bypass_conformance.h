// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>

#include <gtest/gtest.h>

#include "support/open_descriptors.h"
#include "support/pin_conformance.h"
#include "keel/interrupt/notifier.h"

// The part of the conformance suite for implementations whose mechanism can be reached, and that resample levels: what
// a VFIO device relies on. World::Notifier is the mechanism.
namespace keel::testing {

template <typename World>
class InterruptBypass : public PinConformance<World> {
 protected:
  using Notifier = typename World::Notifier;
  static const Notifier& trigger_of(const auto& interrupt) { return *find_trigger_notifier<Notifier>(*interrupt); }
  static const Notifier& take_resample_of(const auto& interrupt) {
    return dynamic_cast<ResampleNotifier<Notifier>&>(*interrupt).take_resample_notifier();
  }

  // A group of one message, enabled.
  std::unique_ptr<MsiGroup> message_to(std::uint8_t vector) {
    auto group = this->world.msi_group();
    EXPECT_TRUE(group->allocate(1).has_value());
    EXPECT_TRUE(group->update(0, message(vector)).has_value());
    EXPECT_TRUE(group->enable().has_value());
    return group;
  }

  class Checker final : public InterruptStatusChecker {
   public:
    explicit Checker(int times) : left(times) {}
    bool wants_service() override {
      ++asked;
      return left-- > 0;
    }
    std::atomic<int> left;
    std::atomic<int> asked = 0;
  };
};
TYPED_TEST_SUITE_P(InterruptBypass);

TYPED_TEST_P(InterruptBypass, TheTriggerNotifierInterruptsPastTheVmm) {
  const auto group = this->message_to(kVectorA);
  const auto interrupt = group->get(0).value();
  const auto& notifier = this->trigger_of(interrupt);
  ASSERT_TRUE(notifier.signal().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
  ASSERT_TRUE(interrupt->mask().has_value());
  ASSERT_TRUE(notifier.signal().has_value());
  ASSERT_TRUE(notifier.signal().has_value());
  EXPECT_TRUE(interrupt->is_pending());
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(interrupt->unmask().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(InterruptBypass, WhatIsSignalledWhileDisabledIsDropped) {
  const auto group = this->message_to(kVectorA);
  const auto interrupt = group->get(0).value();
  ASSERT_TRUE(interrupt->disable().has_value());
  ASSERT_TRUE(this->trigger_of(interrupt).signal().has_value());
  EXPECT_FALSE(interrupt->is_pending());
  ASSERT_TRUE(interrupt->enable().has_value());
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(InterruptBypass, ALevelIsTriggeredAgainWhileTheCheckerSaysSo) {
  const auto group = this->pin(level_pin(10), kVectorA);
  const auto wire = group->get(0).value();
  const auto checker = std::make_shared<typename TestFixture::Checker>(2);
  wire->retrigger_while(checker);
  ASSERT_TRUE(wire->raise().has_value());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  EXPECT_LT(checker->left, 0);
  // It was never lowered by the device, and can be raised again all the same.
  ASSERT_TRUE(wire->raise().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(InterruptBypass, ASharedLevelIsTriggeredAgainForWhoeverStillWantsService) {
  const auto disk_group = this->pin(level_pin(11), kVectorB);
  const auto net_group = this->pin(level_pin(11), kVectorB);
  const auto disk = disk_group->get(0).value();
  const auto net = net_group->get(0).value();
  const auto busy = std::make_shared<typename TestFixture::Checker>(2);
  const auto served = std::make_shared<typename TestFixture::Checker>(0);
  disk->retrigger_while(busy);
  net->retrigger_while(served);
  // Raised by the one that has been served by then; the other is asked all the same, and keeps it up.
  ASSERT_TRUE(net->raise().has_value());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(this->world.take(), kVectorB);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  EXPECT_EQ(busy->asked, 3);
  EXPECT_EQ(served->asked, 3);
  // The other way round.
  served->left = 1;
  ASSERT_TRUE(disk->raise().has_value());
  for (int i = 0; i < 2; ++i) EXPECT_EQ(this->world.take(), kVectorB);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  // Who wants service and is masked does not keep the line up.
  busy->left = 1000;
  ASSERT_TRUE(disk->mask().has_value());
  ASSERT_TRUE(net->raise().has_value());
  EXPECT_EQ(this->world.take(), kVectorB);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(InterruptBypass, ACheckerThatIsGoneWantsNothing) {
  const auto group = this->pin(level_pin(10), kVectorA);
  const auto wire = group->get(0).value();
  wire->retrigger_while(std::make_shared<typename TestFixture::Checker>(1000));
  ASSERT_TRUE(wire->raise().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(wire->lower().has_value());
  wire->retrigger_while(nullptr);  // the level counts again
  ASSERT_TRUE(wire->raise().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(this->world.take([&] { EXPECT_TRUE(wire->lower().has_value()); }), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(InterruptBypass, TheCheckerMayUseTheInterrupt) {
  struct Lowers final : InterruptStatusChecker {
    bool wants_service() override {
      EXPECT_TRUE(wire->lower().has_value());
      return false;
    }
    std::shared_ptr<ResampledInterrupt> wire;
  };
  const auto group = this->pin(level_pin(10), kVectorA);
  const auto checker = std::make_shared<Lowers>();
  checker->wire = group->get(0).value();
  checker->wire->retrigger_while(checker);
  ASSERT_TRUE(checker->wire->raise().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(InterruptBypass, WhoTakesTheResampleNotifierDecidesAboutRaisingAgain) {
  const auto group = this->pin(level_pin(10), kVectorA);
  const auto wire = group->get(0).value();
  const auto& trigger = this->trigger_of(wire);
  const auto& resample = this->take_resample_of(wire);
  ASSERT_TRUE(trigger.signal().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  EXPECT_EQ(resample.drain().value(), 1u);
  ASSERT_TRUE(trigger.signal().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(resample.drain().value(), 1u);
  ASSERT_TRUE(wire->mask().has_value());
  ASSERT_TRUE(trigger.signal().has_value());
  EXPECT_TRUE(wire->is_pending());
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(wire->unmask().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
}

TYPED_TEST_P(InterruptBypass, ExhaustionIsAnErrorThatTakesNothing) {
  const auto first = this->world.msi_group();
  const std::uint64_t left = TypeParam::kGsis - 24;
  ASSERT_TRUE(first->allocate(left - 2).has_value());
  const std::uint64_t gsis = this->world.gsis_taken();
  const std::size_t descriptors = open_descriptors();
  const auto second = this->world.msi_group();
  EXPECT_EQ(code_of(second->allocate(3)), ErrorCode::kExhausted);
  EXPECT_EQ(code_of(second->allocate(~std::size_t{0})), ErrorCode::kExhausted);
  EXPECT_TRUE(second->empty());
  EXPECT_EQ(this->world.gsis_taken(), gsis);
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_TRUE(second->allocate(2).has_value());
}

REGISTER_TYPED_TEST_SUITE_P(InterruptBypass, TheTriggerNotifierInterruptsPastTheVmm,
                            WhatIsSignalledWhileDisabledIsDropped, ALevelIsTriggeredAgainWhileTheCheckerSaysSo,
                            ASharedLevelIsTriggeredAgainForWhoeverStillWantsService, ACheckerThatIsGoneWantsNothing,
                            TheCheckerMayUseTheInterrupt, WhoTakesTheResampleNotifierDecidesAboutRaisingAgain,
                            ExhaustionIsAnErrorThatTakesNothing);

}  // namespace keel::testing
