// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "support/interrupt_world.h"
#include "support/open_descriptors.h"
#include "keel/interrupt/interrupt_source_group.h"

// The part of the conformance suite about pins.
namespace keel::testing {

constexpr LegacyIrqConfig level_pin(std::uint32_t pin) {
  return {.line = Gsi(pin), .trigger = TriggerMode::kLevel};
}
constexpr LegacyIrqConfig edge_pin(std::uint32_t pin) {
  return {.line = Gsi(pin), .trigger = TriggerMode::kEdge};
}

template <typename World>
class PinConformance : public ::testing::Test {
 protected:
  // A group of one pin, enabled, that the guest takes as `vector`.
  auto pin(const LegacyIrqConfig& config, std::uint8_t vector) {
    world.program_pin(config.line, vector, config.trigger);
    auto group = world.legacy_group();
    EXPECT_TRUE(group->allocate(1).has_value());
    EXPECT_TRUE(group->update(0, config).has_value());
    EXPECT_TRUE(group->enable().has_value());
    return group;
  }

  World world;
};
TYPED_TEST_SUITE_P(PinConformance);

TYPED_TEST_P(PinConformance, AnEdgePinInterruptsOnceForEveryRise) {
  const auto group = this->pin(edge_pin(4), kVectorA);
  const auto wire = group->get(0).value();
  ASSERT_TRUE(wire->raise().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
  ASSERT_TRUE(wire->raise().has_value());  // still up: no edge
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(wire->lower().has_value());
  ASSERT_TRUE(wire->raise().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
  ASSERT_TRUE(wire->lower().has_value());
  ASSERT_TRUE(wire->trigger().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(PinConformance, AMaskedEdgeOnAPinIsRememberedAsOne) {
  const auto group = this->pin(edge_pin(4), kVectorA);
  const auto wire = group->get(0).value();
  ASSERT_TRUE(wire->mask().has_value());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(wire->trigger().has_value());
  EXPECT_TRUE(wire->is_pending());
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(wire->unmask().has_value());
  EXPECT_FALSE(wire->is_pending());
  EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(PinConformance, ALevelInterruptsUntilItIsLowered) {
  const auto group = this->pin(level_pin(10), kVectorA);
  const auto wire = group->get(0).value();
  EXPECT_EQ(code_of(wire->trigger()), ErrorCode::kInvalidState);
  ASSERT_TRUE(wire->raise().has_value());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(this->world.take([&] { EXPECT_TRUE(wire->lower().has_value()); }), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(wire->raise().has_value());
  EXPECT_EQ(this->world.take([&] { EXPECT_TRUE(wire->lower().has_value()); }), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(PinConformance, ALevelSharedByTwoDevicesStaysUpForBoth) {
  const auto disk_group = this->pin(level_pin(11), kVectorB);
  const auto net_group = this->pin(level_pin(11), kVectorB);
  const auto disk = disk_group->get(0).value();
  const auto net = net_group->get(0).value();
  ASSERT_TRUE(disk->raise().has_value());
  ASSERT_TRUE(net->raise().has_value());
  EXPECT_EQ(this->world.take([&] { EXPECT_TRUE(disk->lower().has_value()); }), kVectorB);
  EXPECT_EQ(this->world.take([&] { EXPECT_TRUE(net->lower().has_value()); }), kVectorB);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  // One comes while the guest serves the other.
  ASSERT_TRUE(net->raise().has_value());
  EXPECT_EQ(this->world.take([&] {
    EXPECT_TRUE(disk->raise().has_value());
    EXPECT_TRUE(net->lower().has_value());
  }),
            kVectorB);
  EXPECT_EQ(this->world.take([&] { EXPECT_TRUE(disk->lower().has_value()); }), kVectorB);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  // The other keeps working when one is given back.
  ASSERT_TRUE(disk_group->free().has_value());
  ASSERT_TRUE(net->raise().has_value());
  EXPECT_EQ(this->world.take([&] { EXPECT_TRUE(net->lower().has_value()); }), kVectorB);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(PinConformance, OfAMaskedLevelOnlyTheStateAtUnmaskCounts) {
  const auto group = this->pin(level_pin(10), kVectorA);
  const auto wire = group->get(0).value();
  ASSERT_TRUE(wire->mask().has_value());
  ASSERT_TRUE(wire->raise().has_value());
  EXPECT_TRUE(wire->is_pending());
  ASSERT_TRUE(wire->lower().has_value());
  EXPECT_FALSE(wire->is_pending());
  ASSERT_TRUE(wire->unmask().has_value());
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(wire->mask().has_value());
  ASSERT_TRUE(wire->raise().has_value());
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(wire->unmask().has_value());
  EXPECT_EQ(this->world.take([&] { EXPECT_TRUE(wire->lower().has_value()); }), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(PinConformance, DisablingLowersALevel) {
  const auto group = this->pin(level_pin(10), kVectorA);
  const auto wire = group->get(0).value();
  ASSERT_TRUE(wire->raise().has_value());
  EXPECT_EQ(this->world.take([&] { EXPECT_TRUE(group->disable().has_value()); }), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  EXPECT_EQ(code_of(wire->raise()), ErrorCode::kInvalidState);
  EXPECT_TRUE(wire->lower().has_value());
  ASSERT_TRUE(group->enable().has_value());
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(PinConformance, ARaisedLevelMovesWithItsPin) {
  const auto group = this->pin(level_pin(10), kVectorA);
  this->world.program_pin(Gsi(11), kVectorB, TriggerMode::kLevel);
  const auto wire = group->get(0).value();
  ASSERT_TRUE(wire->raise().has_value());
  EXPECT_EQ(this->world.take([&] { EXPECT_TRUE(wire->update(level_pin(11)).has_value()); }), kVectorA);
  EXPECT_EQ(this->world.take([&] { EXPECT_TRUE(wire->lower().has_value()); }), kVectorB);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(PinConformance, AnEdgePinHasOneOwnerAndPinsEnd) {
  const auto com = this->pin(edge_pin(4), kVectorA);
  const auto disk = this->pin(level_pin(10), kVectorB);
  const std::uint64_t gsis = this->world.gsis_taken();
  const auto late = this->world.legacy_group();
  ASSERT_TRUE(late->allocate(1).has_value());
  EXPECT_EQ(code_of(late->update(0, edge_pin(4))), ErrorCode::kAlreadyExists);
  EXPECT_EQ(code_of(late->update(0, level_pin(4))), ErrorCode::kAlreadyExists);
  EXPECT_EQ(code_of(late->update(0, edge_pin(10))), ErrorCode::kAlreadyExists);
  EXPECT_EQ(code_of(late->update(0, level_pin(24))), ErrorCode::kOutOfBounds);
  EXPECT_EQ(code_of(late->update(0, edge_pin(0xffff'ffff))), ErrorCode::kOutOfBounds);
  EXPECT_EQ(late->get(0).value()->config(), std::nullopt);
  EXPECT_EQ(this->world.gsis_taken(), gsis);
  // A pin's only user may change how it listens.
  EXPECT_TRUE(com->update(0, level_pin(4)).has_value());
  EXPECT_TRUE(late->update(0, level_pin(4)).has_value());
  EXPECT_EQ(code_of(com->update(0, edge_pin(4))), ErrorCode::kAlreadyExists);
  EXPECT_EQ(com->get(0).value()->config(), level_pin(4));
}

TYPED_TEST_P(PinConformance, ARefusedGroupUpdateChangesNothing) {
  const auto com = this->pin(edge_pin(4), kVectorA);
  const auto group = this->world.legacy_group();
  ASSERT_TRUE(group->allocate(3).has_value());
  ASSERT_TRUE(group->update(0, level_pin(9)).has_value());
  const std::uint64_t gsis = this->world.gsis_taken();
  using Change = typename InterruptSourceGroup<typename TypeParam::Legacy>::Change;
  const Change changes[] = {{0, level_pin(10)}, {1, level_pin(11)}, {2, edge_pin(4)}};
  EXPECT_EQ(code_of(group->update(changes)), ErrorCode::kAlreadyExists);
  EXPECT_EQ(group->get(0).value()->config(), level_pin(9));
  EXPECT_EQ(group->get(1).value()->config(), std::nullopt);
  EXPECT_EQ(this->world.gsis_taken(), gsis);
}

TYPED_TEST_P(PinConformance, CyclesOfPinsLeaveNothingBehind) {
  const auto cycle = [this] {
    const auto group = this->world.legacy_group();
    ASSERT_TRUE(group->allocate(2).has_value());
    using Change = typename InterruptSourceGroup<typename TypeParam::Legacy>::Change;
    const Change changes[] = {{0, edge_pin(4)}, {1, level_pin(10)}};
    ASSERT_TRUE(group->update(changes).has_value());
    ASSERT_TRUE(group->enable().has_value());
    ASSERT_TRUE(group->free().has_value());
  };
  cycle();
  const std::uint64_t gsis = this->world.gsis_taken();
  const std::size_t descriptors = open_descriptors();
  for (int i = 0; i < TypeParam::kPinCycles && !this->HasFailure(); ++i) cycle();
  EXPECT_EQ(this->world.gsis_taken(), gsis);
  EXPECT_EQ(open_descriptors(), descriptors);
}

REGISTER_TYPED_TEST_SUITE_P(PinConformance, AnEdgePinInterruptsOnceForEveryRise, AMaskedEdgeOnAPinIsRememberedAsOne,
                            ALevelInterruptsUntilItIsLowered, ALevelSharedByTwoDevicesStaysUpForBoth,
                            OfAMaskedLevelOnlyTheStateAtUnmaskCounts, DisablingLowersALevel,
                            ARaisedLevelMovesWithItsPin, AnEdgePinHasOneOwnerAndPinsEnd,
                            ARefusedGroupUpdateChangesNothing, CyclesOfPinsLeaveNothingBehind);

}  // namespace keel::testing
