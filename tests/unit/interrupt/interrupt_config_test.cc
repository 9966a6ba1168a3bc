// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/interrupt/interrupt_config.h"

#include <gtest/gtest.h>

namespace keel {
namespace {

TEST(InterruptConfig, LegacyIsEdgeOrLevelAndSaysWhich) {
  EXPECT_EQ(fmt::format("{}", LegacyIrqConfig{.line = Gsi(4), .trigger = TriggerMode::kEdge}), "pin 4, edge");
  EXPECT_EQ(fmt::format("{}", LegacyIrqConfig{.line = Gsi(11), .pin = InterruptPin::kIntA}), "pin 11, level");
  EXPECT_NE((LegacyIrqConfig{.line = Gsi(4)}), (LegacyIrqConfig{.line = Gsi(4), .trigger = TriggerMode::kEdge}));
}

TEST(InterruptConfig, TheInterruptPinHasItsRegistersValue) {
  EXPECT_EQ(static_cast<int>(InterruptPin::kIntA), 1);
  EXPECT_EQ(static_cast<int>(InterruptPin::kIntD), 4);
}

TEST(InterruptConfig, AMessageSaysWhatIsWrittenWhere) {
  const MsiConfig config{.address = MmioAddress(0xfee0'1000), .data = 0x41};
  EXPECT_EQ(fmt::format("{}", config), "msi 0x41 to 0xfee01000");
  MsiConfig other = config;
  other.device_id = 8;
  EXPECT_NE(config, other);
}

}  // namespace
}  // namespace keel
