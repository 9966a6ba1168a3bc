// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/i8042.h"

#include <optional>

#include <gtest/gtest.h>

#include "support/fake_interrupt.h"
#include "support/fake_power_control.h"
#include "support/pio_driver.h"

namespace keel {
namespace {

using namespace i8042;

class I8042Test : public ::testing::Test {
 protected:
  static constexpr std::uint16_t kData = kDataPort.value();
  static constexpr std::uint16_t kCommand = kCommandPort.value();

  void command(std::uint8_t value) {
    ASSERT_EQ(driver.inb(kCommand) & kStatusInputFull, 0) << "a driver would wait";
    driver.outb(kCommand, value);
  }
  void command(std::uint8_t value, std::uint8_t parameter) {
    command(value);
    ASSERT_EQ(driver.inb(kCommand) & kStatusInputFull, 0);
    driver.outb(kData, parameter);
  }
  // The answer, if there is one at the first look.
  std::optional<std::uint8_t> answer() {
    if ((driver.inb(kCommand) & kStatusOutputFull) == 0) return std::nullopt;
    return driver.inb(kData);
  }

  testing::FakeLevelInterrupt interrupt;
  testing::FakePowerControl power;
  I8042 controller{interrupt, power};
  testing::PioDriver driver{controller, {PioRange::single(kDataPort), PioRange::single(kCommandPort)}};
};

// Linux's drivers/input/serio/i8042.c in its order: every answer it would wait for half a second is there.
TEST_F(I8042Test, LinuxProbesWithoutWaiting) {
  EXPECT_EQ(answer(), std::nullopt) << "nothing to flush";
  command(kReadRam);
  const std::optional<std::uint8_t> ctr = answer();
  ASSERT_TRUE(ctr.has_value());
  command(kReadRam);
  EXPECT_EQ(answer(), ctr) << "two reads must agree";
  EXPECT_NE(driver.inb(kCommand) & kStatusNotInhibited, 0) << "Linux would warn of a key lock";
  command(kWriteRam, *ctr | kCommandKeyboardDisabled);

  // No mouse: the loop comes back without the auxiliary bit, and the interface test finds a fault.
  command(kWriteAuxBuffer, 0x5a);
  EXPECT_EQ(driver.inb(kCommand) & (kStatusOutputFull | kStatusAuxData), kStatusOutputFull);
  command(kTestAux);
  EXPECT_EQ(answer(), kInterfaceClockStuckLow);

  // No keyboard: identifying it times out at once, by interrupt.
  command(kWriteRam, kCommandKeyboardInterrupt | kCommandSystem | kCommandAuxDisabled);
  EXPECT_FALSE(interrupt.is_high());
  driver.outb(kData, 0xf2);
  EXPECT_TRUE(interrupt.is_high());
  EXPECT_EQ(driver.inb(kCommand) & (kStatusOutputFull | kStatusTimeout), kStatusOutputFull | kStatusTimeout);
  EXPECT_EQ(answer(), kResend);
  EXPECT_FALSE(interrupt.is_high());
  EXPECT_EQ(driver.inb(kCommand) & (kStatusOutputFull | kStatusTimeout), 0);
  EXPECT_TRUE(power.resets().empty());
}

TEST_F(I8042Test, EveryCommandWithAnAnswerAnswersAtOnce) {
  command(kSelfTest);
  EXPECT_EQ(answer(), kSelfTestPassed);
  EXPECT_NE(driver.inb(kCommand) & kStatusSystem, 0);
  command(kTestKeyboard);
  EXPECT_EQ(answer(), kInterfaceOk);
  command(kReadInputPort);
  EXPECT_EQ(answer(), kInputNotInhibited);
  command(kReadOutputPort);
  EXPECT_EQ(answer(), kOutputNotReset | kOutputA20);
  command(kWriteKeyboardBuffer, 0x42);
  EXPECT_EQ(answer(), 0x42);
  command(kWriteAux, 0xff);
  EXPECT_EQ(answer(), kResend);
  EXPECT_EQ(answer(), std::nullopt);
}

TEST_F(I8042Test, EnableAndDisableShowInTheCommandByte) {
  const auto command_byte = [&] {
    command(kReadRam);
    return answer().value_or(0);
  };
  command(kEnableKeyboard);
  command(kEnableAux);
  EXPECT_EQ(command_byte() & (kCommandKeyboardDisabled | kCommandAuxDisabled), 0);
  command(kDisableKeyboard);
  EXPECT_EQ(command_byte() & (kCommandKeyboardDisabled | kCommandAuxDisabled), kCommandKeyboardDisabled);
  command(kDisableAux);
  EXPECT_EQ(command_byte() & (kCommandKeyboardDisabled | kCommandAuxDisabled),
            kCommandKeyboardDisabled | kCommandAuxDisabled);
  command(kWriteRam, 0);
  EXPECT_EQ(driver.inb(kCommand) & kStatusSystem, 0) << "the system flag is the command byte's";
}

TEST_F(I8042Test, RamKeepsItsBytes) {
  for (std::uint8_t i = 0; i < kRamSize; ++i) command(kWriteRam + i, static_cast<std::uint8_t>(i * 7));
  for (std::uint8_t i = 0; i < kRamSize; ++i) {
    command(kReadRam + i);
    EXPECT_EQ(answer(), static_cast<std::uint8_t>(i * 7));
  }
}

TEST_F(I8042Test, PulsingTheResetLineResets) {
  command(kReset);
  ASSERT_EQ(power.resets().size(), 1u);
  EXPECT_EQ(power.resets()[0], "i8042");
  command(0xff);
  EXPECT_EQ(power.resets().size(), 1u) << "pulses nothing";
  command(0xf0);
  EXPECT_EQ(power.resets().size(), 2u) << "pulses every line";
  EXPECT_TRUE(power.power_offs().empty());
}

TEST_F(I8042Test, OutputPortHoldsA20AndReset) {
  command(kWriteOutputPort, 0xdf);  // Linux enables A20 so
  EXPECT_TRUE(power.resets().empty());
  command(kReadOutputPort);
  EXPECT_EQ(answer(), kOutputNotReset | kOutputA20);
  command(kWriteOutputPort, 0xdd);
  command(kReadOutputPort);
  EXPECT_EQ(answer(), kOutputNotReset);
  command(kWriteOutputPort, 0xfe);
  EXPECT_EQ(power.resets().size(), 1u);
}

TEST_F(I8042Test, StatusTellsCommandFromData) {
  command(kReadRam);
  EXPECT_NE(driver.inb(kCommand) & kStatusLastWasCommand, 0);
  driver.outb(kData, 0);
  EXPECT_EQ(driver.inb(kCommand) & kStatusLastWasCommand, 0);
}

TEST_F(I8042Test, ANewCommandAbandonsTheOneThatWaits) {
  command(kWriteOutputPort);
  command(kWriteRam + 5, 0x00);
  EXPECT_TRUE(power.resets().empty()) << "the parameter of one command went to another";
  command(kReadRam + 5);
  EXPECT_EQ(answer(), 0x00);
}

TEST_F(I8042Test, DataPortRepeatsWhatWasReadBefore) {
  command(kSelfTest);
  EXPECT_EQ(driver.inb(kData), kSelfTestPassed);
  EXPECT_EQ(driver.inb(kData), kSelfTestPassed);
}

TEST_F(I8042Test, AFloodKeepsOneAnswer) {
  for (int i = 0; i < 100'000; ++i) driver.outb(kData, static_cast<std::uint8_t>(i));
  EXPECT_TRUE(answer().has_value());
  EXPECT_EQ(answer(), std::nullopt);
  for (int i = 0; i < 100'000; ++i) driver.outb(kCommand, kReadRam);
  EXPECT_TRUE(answer().has_value());
  EXPECT_EQ(answer(), std::nullopt);
}

TEST_F(I8042Test, OtherPortsOfARangeAreNotItsOwn) {
  testing::PioDriver wide(controller, {PioRange::constant(kData, kCommand)});
  EXPECT_EQ(wide.inl(kData) & 0xffffff00u, 0xffffff00u);
  wide.outb(0x62, kReset);
  wide.outl(kData, 0xfefefe00u);
  EXPECT_TRUE(power.resets().empty());
  wide.outb(kCommand, kReset);
  EXPECT_EQ(power.resets().size(), 1u);

  std::uint8_t byte = 0;
  controller.pio_read(PioAddress(0xffff), 1, {&byte, 1});
  EXPECT_EQ(byte, 0xff) << "beyond the top of the port space";
}

}  // namespace
}  // namespace keel
