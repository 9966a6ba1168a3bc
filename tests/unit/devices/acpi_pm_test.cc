// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/acpi_pm.h"

#include <limits>

#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/fake_interrupt.h"
#include "support/fake_power_control.h"
#include "support/pio_driver.h"

namespace keel {
namespace {

using namespace acpi_pm;
using namespace std::chrono_literals;

class AcpiPmTest : public ::testing::Test {
 protected:
  static constexpr std::uint16_t kStatus = 0x600;
  static constexpr std::uint16_t kEnable = 0x602;
  static constexpr std::uint16_t kControl = 0x604;
  static constexpr std::uint16_t kTimer = 0x608;

  static constexpr std::uint16_t sleep(unsigned type) {
    return static_cast<std::uint16_t>(type << kSleepTypeShift | kSleepEnable);
  }

  testing::FakeLevelInterrupt sci;
  testing::FakeClock clock;
  testing::FakePowerControl power;
  AcpiPm pm{{PioAddress(kStatus), PioAddress(kControl), PioAddress(kTimer)}, sci, clock, power};
  testing::PioDriver driver{pm,
                            {PioRange::constant(kStatus, kStatus + kPm1EventBlockSize - 1),
                             PioRange::constant(kControl, kControl + kPm1ControlBlockSize - 1),
                             PioRange::constant(kTimer, kTimer + kTimerBlockSize - 1)}};
};

// ACPICA writes SLP_TYP first, and then again together with SLP_EN.
TEST_F(AcpiPmTest, SoftOffPowersOff) {
  const std::uint16_t control = driver.inw(kControl);
  EXPECT_EQ(control, kSciEnable);
  driver.outw(kControl, static_cast<std::uint16_t>(control | kS5SleepType << kSleepTypeShift));
  EXPECT_TRUE(power.power_offs().empty());
  EXPECT_EQ(driver.inw(kControl), kSciEnable | kS5SleepType << kSleepTypeShift);
  driver.outw(kControl, control | sleep(kS5SleepType));
  ASSERT_EQ(power.power_offs().size(), 1u);
  EXPECT_EQ(power.power_offs()[0], "ACPI");
  EXPECT_EQ(driver.inw(kControl) & kSleepEnable, 0) << "write-only";
  EXPECT_TRUE(power.resets().empty());
}

TEST_F(AcpiPmTest, SoftOffWorksByteByByte) {
  driver.outb(kControl + 1, sleep(kS5SleepType) >> 8);
  EXPECT_EQ(power.power_offs().size(), 1u);
}

TEST_F(AcpiPmTest, OtherSleepStatesAreIgnored) {
  for (unsigned type = 0; type < 8; ++type) {
    if (type != kS5SleepType) driver.outw(kControl, sleep(type));
  }
  driver.outb(kControl, sleep(kS5SleepType) >> 8);  // in the wrong byte
  EXPECT_TRUE(power.power_offs().empty());
}

TEST_F(AcpiPmTest, AcpiModeCannotBeLeft) {
  driver.outw(kControl, 0);
  EXPECT_EQ(driver.inw(kControl), kSciEnable);
  driver.outw(kControl, kBusMasterReload);
  EXPECT_EQ(driver.inw(kControl), kSciEnable | kBusMasterReload);
}

TEST_F(AcpiPmTest, PowerButtonRaisesTheSciUntilTheGuestClearsIt) {
  driver.outw(kEnable, kPowerButtonEnable);
  EXPECT_EQ(driver.inw(kEnable), kPowerButtonEnable) << "ACPICA reads back what it enabled";
  EXPECT_FALSE(sci.is_high());
  pm.press_power_button();
  pm.press_power_button();
  EXPECT_TRUE(sci.is_high());
  EXPECT_EQ(sci.edges(), 1);
  EXPECT_EQ(driver.inw(kStatus), kPowerButtonStatus);
  driver.outw(kStatus, static_cast<std::uint16_t>(~kPowerButtonStatus));
  EXPECT_TRUE(sci.is_high()) << "only a one clears";
  driver.outw(kStatus, kPowerButtonStatus);
  EXPECT_FALSE(sci.is_high());
  EXPECT_EQ(driver.inw(kStatus), 0);
  pm.press_power_button();
  EXPECT_EQ(sci.edges(), 2);
}

TEST_F(AcpiPmTest, APressBeforeTheButtonIsEnabledIsKept) {
  pm.press_power_button();
  EXPECT_FALSE(sci.is_high());
  driver.outb(kEnable + 1, kPowerButtonEnable >> 8);
  EXPECT_TRUE(sci.is_high());
  driver.outb(kEnable + 1, 0);
  EXPECT_FALSE(sci.is_high());
}

TEST_F(AcpiPmTest, EventBlockIsReadAndWrittenAsOne) {
  pm.press_power_button();
  driver.outl(kStatus, 0xffff0000u);
  EXPECT_EQ(driver.inl(kStatus), static_cast<std::uint32_t>(kEnableBits) << 16 | kPowerButtonStatus);
  driver.outl(kStatus, 0x0000ffffu);
  EXPECT_EQ(driver.inl(kStatus), 0u);
}

TEST_F(AcpiPmTest, TimerCountsItsFrequency) {
  const std::uint32_t start = driver.inl(kTimer);
  clock.advance(1s);
  EXPECT_EQ(driver.inl(kTimer) - start, kTimerHz);
  clock.advance(500ms);
  EXPECT_EQ(driver.inl(kTimer) - start, kTimerHz + kTimerHz / 2);
  driver.outl(kTimer, 0);
  EXPECT_EQ(driver.inl(kTimer) - start, kTimerHz + kTimerHz / 2) << "read-only";
  EXPECT_EQ(driver.inb(kTimer + 1), driver.inl(kTimer) >> 8 & 0xff);
}

TEST_F(AcpiPmTest, TimerWrapsAndNeverOverflows) {
  clock.advance(1'200s);  // 2^32 ticks are 1199.9 s
  EXPECT_EQ(driver.inl(kTimer), static_cast<std::uint32_t>(1'200 * kTimerHz));
  EXPECT_LT(driver.inl(kTimer), kTimerHz);
  clock.advance(std::chrono::nanoseconds::max() - clock.monotonic());
  const std::uint32_t end = driver.inl(kTimer);
  EXPECT_EQ(end, static_cast<std::uint32_t>(9'223'372'036u * kTimerHz + 854'775'807u * kTimerHz / 1'000'000'000u));
}

TEST_F(AcpiPmTest, BytesOutsideOfTheBlocksReadAsOnes) {
  testing::PioDriver wide(pm, {PioRange::constant(kControl, kControl + 7), PioRange::constant(0x700, 0x70f)});
  EXPECT_EQ(wide.inl(kControl), 0xffff0000u | kSciEnable);
  wide.outl(kControl + 2, 0xffffffffu);
  EXPECT_EQ(wide.inw(kControl), kSciEnable);
  EXPECT_EQ(wide.inl(0x700), 0xffffffffu) << "a base that is none of its own";
  wide.outl(0x700, 0xffffffffu);
  EXPECT_TRUE(power.power_offs().empty());
}

TEST_F(AcpiPmTest, AFloodOfSleepsKeepsAsking) {
  for (int i = 0; i < 1'000; ++i) driver.outw(kControl, sleep(kS5SleepType));
  EXPECT_EQ(power.power_offs().size(), 1'000u);
  EXPECT_FALSE(sci.is_high());
}

}  // namespace
}  // namespace keel
