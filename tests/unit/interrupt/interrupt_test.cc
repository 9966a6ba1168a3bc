// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/interrupt/interrupt.h"

#include <concepts>

#include <gtest/gtest.h>

#include "support/fake_interrupt_groups.h"
#include "keel/base/event_fd.h"
#include "keel/interrupt/interrupt_source_group.h"
#include "keel/interrupt/notifier.h"

namespace keel {
namespace {

// A message is an edge and nothing else; a pin is what its configuration says.
static_assert(std::derived_from<MsiInterrupt, EdgeInterrupt> && !std::derived_from<MsiInterrupt, LevelInterrupt>);
static_assert(std::derived_from<LegacyInterrupt, EdgeInterrupt> && std::derived_from<LegacyInterrupt, LevelInterrupt>);
static_assert(InterruptNotifier<EventFd> && InterruptNotifier<testing::FakeNotifier>);
static_assert(!InterruptNotifier<int>);

// A device that can do nothing to its interrupt but trigger it, and one that drives a level.
void completes_a_request(EdgeInterrupt& interrupt) {
  ASSERT_TRUE(interrupt.trigger().has_value());
}
void wants_service(LevelInterrupt& interrupt) {
  ASSERT_TRUE(interrupt.raise().has_value());
}

TEST(Interrupt, ADeviceTakesOnlyTheContractItUses) {
  testing::FakeInterruptController controller;
  const auto vectors = controller.msi_group();
  ASSERT_TRUE(vectors->allocate(1).has_value());
  ASSERT_TRUE(vectors->update(0, {.address = MmioAddress(0xfee0'0000), .data = 0x41}).has_value());
  ASSERT_TRUE(vectors->enable().has_value());
  completes_a_request(*vectors->get(0).value());
  EXPECT_EQ(controller.messages().size(), 1u);
  EXPECT_EQ(controller.acknowledge(), 0x41);

  const auto pins = controller.legacy_group();
  controller.program_pin(Gsi(5), 0x35, TriggerMode::kLevel);
  ASSERT_TRUE(pins->allocate(1).has_value());
  ASSERT_TRUE(pins->update(0, {.line = Gsi(5)}).has_value());
  ASSERT_TRUE(pins->enable().has_value());
  wants_service(*pins->get(0).value());
  EXPECT_EQ(controller.acknowledge(), 0x35);
}

TEST(Notifier, IsFoundByItsTypeAlone) {
  testing::FakeInterruptController controller;
  const auto vectors = controller.msi_group();
  ASSERT_TRUE(vectors->allocate(1).has_value());
  const auto vector = vectors->get(0).value();
  EXPECT_NE(find_trigger_notifier<testing::FakeNotifier>(*vector), nullptr);
  EXPECT_EQ(find_trigger_notifier<EventFd>(*vector), nullptr);
}

}  // namespace
}  // namespace keel
