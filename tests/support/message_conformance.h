// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/interrupt_world.h"
#include "support/open_descriptors.h"
#include "keel/interrupt/interrupt_source_group.h"
#include "keel/interrupt/notifier.h"

// The part of the conformance suite about messages.
namespace keel::testing {

template <typename World>
class MessageConformance : public ::testing::Test {
 protected:
  // A group of one message per vector, enabled.
  std::unique_ptr<MsiGroup> messages(std::initializer_list<std::uint8_t> vectors) {
    auto group = world.msi_group();
    EXPECT_TRUE(group->allocate(vectors.size()).has_value());
    std::size_t index = 0;
    for (const std::uint8_t vector : vectors) EXPECT_TRUE(group->update(index++, message(vector)).has_value());
    EXPECT_TRUE(group->enable().has_value());
    return group;
  }

  World world;
};
TYPED_TEST_SUITE_P(MessageConformance);

// A device on a thread of its own that sends as fast as it can, and counts before it sends.
class Storm {
 public:
  static constexpr int kEvents = 500;

  ~Storm() { thread_.join(); }
  void start(std::shared_ptr<EdgeInterrupt> interrupt) {
    thread_ = std::thread([this, interrupt = std::move(interrupt)] {
      for (int event = 1; event <= kEvents; ++event) {
        sent_ = event;
        EXPECT_TRUE(interrupt->trigger().has_value());
      }
      over_ = true;
    });
  }
  [[nodiscard]] int sent() const { return sent_; }
  [[nodiscard]] bool is_over() const { return over_; }

 private:
  std::atomic<int> sent_ = 0;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};
// As many looks in a row that find no interrupt, after the last was sent.
constexpr int kSurelyIdle = 3;

TYPED_TEST_P(MessageConformance, AMessageGoesWhereItsConfigurationSays) {
  const auto group = this->messages({kVectorA, kVectorB, kVectorC});
  EXPECT_EQ(group->size(), 3u);
  EXPECT_EQ(group->get(1).value()->config(), message(kVectorB));
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(group->get(1).value()->trigger().has_value());
  EXPECT_EQ(this->world.take(), kVectorB);
  ASSERT_TRUE(group->get(0).value()->trigger().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(MessageConformance, ADisabledMessageIsRefusedAndNotKept) {
  const auto group = this->messages({kVectorA});
  const auto interrupt = group->get(0).value();
  ASSERT_TRUE(interrupt->disable().has_value());
  EXPECT_EQ(code_of(interrupt->trigger()), ErrorCode::kInvalidState);
  EXPECT_FALSE(interrupt->is_pending());
  ASSERT_TRUE(interrupt->enable().has_value());
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(interrupt->trigger().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
}

TYPED_TEST_P(MessageConformance, AMessageWithoutConfigurationIsKeptUntilItHasOne) {
  const auto group = this->world.msi_group();
  ASSERT_TRUE(group->allocate(1).has_value());
  ASSERT_TRUE(group->enable().has_value());
  const auto interrupt = group->get(0).value();
  EXPECT_EQ(interrupt->config(), std::nullopt);
  ASSERT_TRUE(interrupt->trigger().has_value());
  EXPECT_TRUE(interrupt->is_pending());
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(interrupt->update(message(kVectorA)).has_value());
  EXPECT_FALSE(interrupt->is_pending());
  EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

// Where a message goes is the guest's to say, and it may say nonsense.
TYPED_TEST_P(MessageConformance, AMessageToAProcessorThatIsNotThereIsSentToNobody) {
  const auto group = this->messages({kVectorA});
  const auto interrupt = group->get(0).value();
  ASSERT_TRUE(group->update(0, message_to_nobody(kVectorB)).has_value());
  EXPECT_TRUE(interrupt->trigger().has_value());
  EXPECT_FALSE(interrupt->is_pending());
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  // Held back, it can be let go, which is the end of it.
  ASSERT_TRUE(interrupt->mask().has_value());
  ASSERT_TRUE(interrupt->trigger().has_value());
  EXPECT_TRUE(interrupt->unmask().has_value());
  EXPECT_FALSE(interrupt->is_masked());
  EXPECT_FALSE(interrupt->is_pending());
  ASSERT_TRUE(group->update(0, message(kVectorA)).has_value());
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(interrupt->trigger().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
}

TYPED_TEST_P(MessageConformance, AMaskedMessageIsRememberedAsOneAndDeliveredOnUnmask) {
  const auto group = this->messages({kVectorA, kVectorB});
  const auto interrupt = group->get(0).value();
  ASSERT_TRUE(group->mask(0).has_value());
  EXPECT_TRUE(interrupt->is_masked());
  EXPECT_FALSE(interrupt->is_pending());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(interrupt->trigger().has_value());
  EXPECT_TRUE(interrupt->is_pending());
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(group->get(1).value()->trigger().has_value());  // the other is not masked
  EXPECT_EQ(this->world.take(), kVectorB);
  ASSERT_TRUE(group->unmask(0).has_value());
  EXPECT_FALSE(interrupt->is_masked());
  EXPECT_FALSE(interrupt->is_pending());
  EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(group->mask(0).has_value());  // what was delivered before is not pending again
  EXPECT_FALSE(interrupt->is_pending());
}

TYPED_TEST_P(MessageConformance, AMaskedMessageGoesWhereItWasMovedMeanwhile) {
  const auto group = this->messages({kVectorA});
  ASSERT_TRUE(group->mask(0).has_value());
  ASSERT_TRUE(group->get(0).value()->trigger().has_value());
  ASSERT_TRUE(group->update(0, message(kVectorC)).has_value());
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(group->unmask(0).has_value());
  EXPECT_EQ(this->world.take(), kVectorC);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(MessageConformance, DisablingForgetsWhatIsPending) {
  const auto group = this->messages({kVectorA});
  const auto interrupt = group->get(0).value();
  ASSERT_TRUE(interrupt->mask().has_value());
  ASSERT_TRUE(interrupt->trigger().has_value());
  ASSERT_TRUE(group->disable().has_value());
  EXPECT_FALSE(interrupt->is_pending());
  ASSERT_TRUE(group->enable().has_value());
  EXPECT_TRUE(interrupt->is_masked());
  EXPECT_FALSE(interrupt->is_pending());
  ASSERT_TRUE(interrupt->unmask().has_value());
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(MessageConformance, AGroupMasksAndMovesSeveralAtOnce) {
  const auto group = this->messages({kVectorA, kVectorA, kVectorA});
  const std::size_t outer[] = {0, 2};
  ASSERT_TRUE(group->mask(outer).has_value());
  EXPECT_TRUE(group->get(0).value()->is_masked());
  EXPECT_FALSE(group->get(1).value()->is_masked());
  const MsiGroup::Change changes[] = {{0, message(kVectorB)}, {2, message(kVectorC)}};
  ASSERT_TRUE(group->update(changes).has_value());
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(group->get(i).value()->trigger().has_value());
  EXPECT_EQ(this->world.take(), kVectorA);
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
  ASSERT_TRUE(group->unmask(outer).has_value());
  EXPECT_EQ((std::set{this->world.take(), this->world.take()}),
            (std::set<std::optional<std::uint8_t>>{kVectorB, kVectorC}));
}

TYPED_TEST_P(MessageConformance, AnIndexBeyondTheGroupChangesNothing) {
  const auto group = this->messages({kVectorA});
  const std::size_t indices[] = {0, 1};
  const MsiGroup::Change changes[] = {{0, message(kVectorB)}, {1, message(kVectorC)}};
  EXPECT_EQ(code_of(group->mask(indices)), ErrorCode::kOutOfBounds);
  EXPECT_EQ(code_of(group->unmask(indices)), ErrorCode::kOutOfBounds);
  EXPECT_EQ(code_of(group->update(changes)), ErrorCode::kOutOfBounds);
  EXPECT_EQ(code_of(group->get(1)), ErrorCode::kOutOfBounds);
  EXPECT_EQ(code_of(group->get(~std::size_t{0})), ErrorCode::kOutOfBounds);
  EXPECT_FALSE(group->get(0).value()->is_masked());
  EXPECT_EQ(group->get(0).value()->config(), message(kVectorA));
}

TYPED_TEST_P(MessageConformance, AGroupIsAllocatedOnceAndNotOfNothing) {
  const auto group = this->world.msi_group();
  EXPECT_TRUE(group->empty());
  EXPECT_EQ(code_of(group->allocate(0)), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(group->free().has_value());
  ASSERT_TRUE(group->allocate(2).has_value());
  EXPECT_EQ(code_of(group->allocate(1)), ErrorCode::kInvalidState);
  EXPECT_EQ(group->size(), 2u);
  ASSERT_TRUE(group->free().has_value());
  EXPECT_TRUE(group->empty());
  EXPECT_TRUE(group->allocate(1).has_value());
}

TYPED_TEST_P(MessageConformance, AnInterruptGivenBackRefuses) {
  auto group = this->messages({kVectorA});
  const auto interrupt = group->get(0).value();
  ASSERT_TRUE(group->free().has_value());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(code_of(interrupt->trigger()), ErrorCode::kInvalidState);
    EXPECT_EQ(code_of(interrupt->enable()), ErrorCode::kInvalidState);
    EXPECT_EQ(code_of(interrupt->update(message(kVectorB))), ErrorCode::kInvalidState);
    EXPECT_EQ(code_of(interrupt->unmask()), ErrorCode::kInvalidState);
    EXPECT_TRUE(interrupt->disable().has_value());
    EXPECT_TRUE(interrupt->mask().has_value());
    EXPECT_FALSE(interrupt->is_pending());
    group.reset();  // and beyond the group
  }
  EXPECT_EQ(this->world.take_if_any(), std::nullopt);
}

TYPED_TEST_P(MessageConformance, NoEdgeIsLostUnderAStorm) {
  constexpr std::array<std::uint8_t, 3> kVectors = {kVectorA, kVectorB, kVectorC};
  const auto group = this->messages({kVectorA, kVectorB, kVectorC});
  Storm storms[3];
  for (std::size_t i = 0; i < 3; ++i) storms[i].start(group->get(i).value());
  // After the last event of each device the guest's handler still runs: what it sees there is all there was.
  std::map<std::uint8_t, int> seen;
  for (int idle = 0; idle < kSurelyIdle;) {
    const bool over = std::ranges::all_of(storms, &Storm::is_over);
    std::array<int, 3> now = {};
    const auto vector = this->world.take_if_any([&] { std::ranges::transform(storms, now.begin(), &Storm::sent); });
    if (vector)
      seen[*vector] = now[static_cast<std::size_t>(std::ranges::find(kVectors, *vector) - kVectors.begin())];
    else if (over)
      ++idle;
  }
  for (const std::uint8_t vector : kVectors) EXPECT_EQ(seen[vector], Storm::kEvents) << int{vector};
}

TYPED_TEST_P(MessageConformance, NothingIsLostWhileMaskChangesDuringDelivery) {
  const auto group = this->messages({kVectorA});
  const auto interrupt = group->get(0).value();
  Storm storm;
  storm.start(interrupt);
  std::atomic<bool> done = false;
  std::thread driver([&] {
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(interrupt->mask().has_value());
      EXPECT_TRUE(interrupt->unmask().has_value());
    }
    done = true;
  });
  int seen = 0;
  for (int idle = 0; idle < kSurelyIdle;) {
    const bool over = storm.is_over() && done;
    if (!this->world.take_if_any([&] { seen = storm.sent(); }) && over) ++idle;
  }
  driver.join();
  EXPECT_EQ(seen, Storm::kEvents);
}

TYPED_TEST_P(MessageConformance, AMessageMayBeMovedWhileItFires) {
  const auto group = this->messages({kVectorA});
  const auto interrupt = group->get(0).value();
  Storm storm;
  storm.start(interrupt);
  std::atomic<bool> done = false;
  std::thread driver([&] {
    for (int i = 0; i < 100; ++i) {
      const std::uint8_t vector = i % 2 == 0 ? kVectorB : kVectorA;
      EXPECT_TRUE(interrupt->update(message(vector)).has_value());
      EXPECT_EQ(interrupt->config(), message(vector));
    }
    done = true;
  });
  int seen = 0;
  for (int idle = 0; idle < kSurelyIdle;) {
    const bool over = storm.is_over() && done;
    const auto vector = this->world.take_if_any([&] { seen = storm.sent(); });
    if (vector)
      EXPECT_TRUE(*vector == kVectorA || *vector == kVectorB) << int{*vector};
    else if (over)
      ++idle;
  }
  driver.join();
  EXPECT_EQ(seen, Storm::kEvents);
}

TYPED_TEST_P(MessageConformance, TenThousandCyclesLeaveNothingBehind) {
  const auto cycle = [this] {
    const auto group = this->world.msi_group();
    ASSERT_TRUE(group->allocate(2).has_value());
    const MsiGroup::Change changes[] = {{0, message(kVectorA)}, {1, message(kVectorB)}};
    ASSERT_TRUE(group->update(changes).has_value());
    ASSERT_TRUE(group->enable().has_value());
    ASSERT_TRUE(group->free().has_value());
  };
  cycle();
  const std::uint64_t gsis = this->world.gsis_taken();
  const std::size_t descriptors = open_descriptors();
  for (int i = 0; i < 10'000 && !this->HasFailure(); ++i) cycle();
  EXPECT_EQ(this->world.gsis_taken(), gsis);
  EXPECT_EQ(open_descriptors(), descriptors);
}

REGISTER_TYPED_TEST_SUITE_P(MessageConformance, AMessageGoesWhereItsConfigurationSays,
                            ADisabledMessageIsRefusedAndNotKept, AMessageWithoutConfigurationIsKeptUntilItHasOne,
                            AMessageToAProcessorThatIsNotThereIsSentToNobody,
                            AMaskedMessageIsRememberedAsOneAndDeliveredOnUnmask,
                            AMaskedMessageGoesWhereItWasMovedMeanwhile, DisablingForgetsWhatIsPending,
                            AGroupMasksAndMovesSeveralAtOnce, AnIndexBeyondTheGroupChangesNothing,
                            AGroupIsAllocatedOnceAndNotOfNothing, AnInterruptGivenBackRefuses, NoEdgeIsLostUnderAStorm,
                            NothingIsLostWhileMaskChangesDuringDelivery, AMessageMayBeMovedWhileItFires,
                            TenThousandCyclesLeaveNothingBehind);

}  // namespace keel::testing
