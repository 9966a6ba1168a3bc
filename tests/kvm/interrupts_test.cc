// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/interrupts.h"

#include <optional>

#include <gtest/gtest.h>

#include "kvm/kvm_worlds.h"
#include "support/interrupt_bypass_conformance.h"
#include "support/message_conformance.h"

namespace keel::testing {
namespace {

INSTANTIATE_TYPED_TEST_SUITE_P(KvmIrqfd, MessageConformance, IrqfdWorld);
INSTANTIATE_TYPED_TEST_SUITE_P(KvmIrqfd, PinConformance, IrqfdWorld);
INSTANTIATE_TYPED_TEST_SUITE_P(KvmIrqfd, InterruptBypass, IrqfdWorld);
INSTANTIATE_TYPED_TEST_SUITE_P(KvmIoctl, MessageConformance, IoctlWorld);

// Whose guest switches its local APIC off and on (Intel SDM, volume 3, 11.4.7.2).
template <typename World>
class SwitchedApic : public World {
 public:
  void switch_apic(bool on) {
    this->guest_.write(0xfee0'00f0, on ? 0x1ff : 0xff);
    this->guest_.settle();
  }
};

template <typename World>
class KvmMessage : public ::testing::Test {
 protected:
  SwitchedApic<World> world_;
};
using KvmWorlds = ::testing::Types<IrqfdWorld, IoctlWorld>;
TYPED_TEST_SUITE(KvmMessage, KvmWorlds);

// To whichever processor is least busy, when none is there to choose from (11.11.1: logical, all of them; 11.11.2:
// lowest priority). KVM calls that not permitted.
TYPED_TEST(KvmMessage, ThatNoProcessorTakesIsNoError) {
  constexpr MsiConfig kToAnybody = {.address = MmioAddress(0xfeef'f004), .data = 0x100 | kVectorB};
  const auto group = this->world_.msi_group();
  ASSERT_TRUE(group->allocate(1).has_value());
  ASSERT_TRUE(group->update(0, kToAnybody).has_value());
  ASSERT_TRUE(group->enable().has_value());
  const auto interrupt = group->get(0).value();
  this->world_.switch_apic(false);
  EXPECT_TRUE(interrupt->trigger().has_value());
  ASSERT_TRUE(interrupt->mask().has_value());
  EXPECT_TRUE(interrupt->trigger().has_value());
  EXPECT_TRUE(interrupt->unmask().has_value());
  EXPECT_FALSE(interrupt->is_masked());
  EXPECT_FALSE(interrupt->is_pending());
  EXPECT_EQ(this->world_.take_if_any(), std::nullopt);
  this->world_.switch_apic(true);
  EXPECT_EQ(this->world_.take_if_any(), std::nullopt) << "it is gone";
  ASSERT_TRUE(interrupt->trigger().has_value());
  EXPECT_EQ(this->world_.take(), kVectorB);
}

}  // namespace
}  // namespace keel::testing
