// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/cmos_rtc.h"

#include <cstdint>
#include <limits>
#include <ostream>
#include <random>

#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/pio_driver.h"

namespace keel {
namespace {

using namespace mc146818;
using namespace std::chrono_literals;
using std::chrono::sys_days;

// What the registers say, undecoded.
struct Registers {
  int century, year, month, day, hours, minutes, seconds;
  friend bool operator==(const Registers&, const Registers&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Registers& r) {
    return out << std::hex << r.century << ' ' << r.year << '-' << r.month << '-' << r.day << ' ' << r.hours << ':'
               << r.minutes << ':' << r.seconds;
  }
};

class CmosRtcTest : public ::testing::Test {
 protected:
  std::uint8_t read(std::uint8_t index) {
    driver.outb(0x70, index);
    return driver.inb(0x71);
  }
  void write(std::uint8_t index, std::uint8_t value) {
    driver.outb(0x70, index);
    driver.outb(0x71, value);
  }
  Registers registers() {
    return {read(kCentury), read(kYear), read(kMonth), read(kDayOfMonth), read(kHours), read(kMinutes), read(kSeconds)};
  }
  // As a driver sets the clock: SET, the bytes, and SET off again.
  void set(const Registers& r) {
    const std::uint8_t control = read(kRegisterB);
    write(kRegisterB, control | kSet);
    write(kCentury, static_cast<std::uint8_t>(r.century));
    write(kYear, static_cast<std::uint8_t>(r.year));
    write(kMonth, static_cast<std::uint8_t>(r.month));
    write(kDayOfMonth, static_cast<std::uint8_t>(r.day));
    write(kHours, static_cast<std::uint8_t>(r.hours));
    write(kMinutes, static_cast<std::uint8_t>(r.minutes));
    write(kSeconds, static_cast<std::uint8_t>(r.seconds));
    write(kRegisterB, control);
  }

  // Tuesday.
  testing::FakeClock clock{sys_days(2024y / 12 / 31) + 23h + 59min + 58s};
  CmosRtc rtc{clock};
  testing::PioDriver driver{rtc, {kPorts}};
};

TEST_F(CmosRtcTest, ShowsTheHostsTimeInBcd) {
  EXPECT_EQ(registers(), (Registers{0x20, 0x24, 0x12, 0x31, 0x23, 0x59, 0x58}));
  EXPECT_EQ(read(kDayOfWeek), 3);
  clock.advance(2s);
  EXPECT_EQ(registers(), (Registers{0x20, 0x25, 0x01, 0x01, 0x00, 0x00, 0x00}));
  EXPECT_EQ(read(kDayOfWeek), 4);
}

TEST_F(CmosRtcTest, KnowsBinaryAndTwelveHours) {
  write(kRegisterB, k24Hours | kBinary);
  EXPECT_EQ(registers(), (Registers{20, 24, 12, 31, 23, 59, 58}));
  write(kRegisterB, kBinary);
  EXPECT_EQ(read(kHours), 11 | kPm);
  write(kRegisterB, 0);
  EXPECT_EQ(read(kHours), 0x11 | kPm);
  clock.advance(2s);
  EXPECT_EQ(read(kHours), 0x12) << "midnight";
  clock.advance(12h);
  EXPECT_EQ(read(kHours), 0x12 | kPm) << "noon";
}

TEST_F(CmosRtcTest, TheTimeTheGuestSetsRunsOn) {
  set({0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59});
  EXPECT_EQ(registers(), (Registers{0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59}));
  clock.advance(1s);
  EXPECT_EQ(registers(), (Registers{0x20, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00}));
  EXPECT_EQ(read(kDayOfWeek), 7) << "a Saturday";
}

TEST_F(CmosRtcTest, EveryFormatReadsBackWhatWasSet) {
  for (const int format : {0, +k24Hours, +kBinary, k24Hours | kBinary}) {
    write(kRegisterB, static_cast<std::uint8_t>(format));
    for (int hour = 0; hour < 24; ++hour) {
      const Registers before = registers();
      set(before);
      EXPECT_EQ(registers(), before) << "format " << format;
      clock.advance(1h);
    }
  }
}

TEST_F(CmosRtcTest, ASingleByteIsSetWithoutTheSetBit) {
  write(kMinutes, 0x30);
  EXPECT_EQ(registers(), (Registers{0x20, 0x24, 0x12, 0x31, 0x23, 0x30, 0x58}));
}

TEST_F(CmosRtcTest, TheClockStandsStillWhileSetIsOn) {
  write(kRegisterB, k24Hours | kSet);
  const Registers frozen = registers();
  clock.advance(1h);
  EXPECT_EQ(registers(), frozen);
  EXPECT_EQ(frozen.seconds, 0x58);
  write(kRegisterB, k24Hours);
  EXPECT_EQ(registers(), frozen) << "the clock stood still";
  clock.advance(1s);
  EXPECT_EQ(read(kSeconds), 0x59);
}

TEST_F(CmosRtcTest, FollowsWhenTheHostsClockIsSet) {
  set({0x20, 0x25, 0x01, 0x01, 0x00, 0x59, 0x58});  // an hour ahead
  clock.set_wall(sys_days(2030y / 6 / 15) + 12h);
  EXPECT_EQ(registers(), (Registers{0x20, 0x30, 0x06, 0x15, 0x13, 0x00, 0x00}));
}

// MC146818A, update cycle: while the bit is low, at least 244 µs remain to read in.
TEST_F(CmosRtcTest, WarnsBeforeEachUpdate) {
  EXPECT_EQ(read(kRegisterA), kDivider32kHz | kRate1024Hz);
  clock.advance(1s - kUpdateTime - 1us);
  EXPECT_EQ(read(kRegisterA) & kUpdateInProgress, 0);
  clock.advance(1us);
  EXPECT_EQ(read(kRegisterA) & kUpdateInProgress, kUpdateInProgress);
  clock.advance(kUpdateTime - 1us);
  EXPECT_EQ(read(kRegisterA) & kUpdateInProgress, kUpdateInProgress);
  EXPECT_EQ(read(kSeconds), 0x58);
  clock.advance(1us);
  EXPECT_EQ(read(kRegisterA) & kUpdateInProgress, 0);
  EXPECT_EQ(read(kSeconds), 0x59);

  clock.advance(1s - 1us);
  write(kRegisterB, k24Hours | kSet);
  EXPECT_EQ(read(kRegisterA) & kUpdateInProgress, 0) << "SET stops the updates";
}

TEST_F(CmosRtcTest, StatusRegistersAreWhatADriverExpects) {
  EXPECT_EQ(read(kRegisterB), k24Hours);
  EXPECT_EQ(read(kRegisterC), 0);
  EXPECT_EQ(read(kRegisterD), kValidRamAndTime);
  write(kRegisterC, 0xff);
  write(kRegisterD, 0);
  EXPECT_EQ(read(kRegisterC), 0);
  EXPECT_EQ(read(kRegisterD), kValidRamAndTime);
  write(kRegisterA, 0xff);
  EXPECT_EQ(read(kRegisterA), 0x7f) << "update-in-progress is read-only";
}

TEST_F(CmosRtcTest, RamKeepsItsBytesAndTheNmiBitSelectsNone) {
  for (unsigned i = 0x0e; i < kRamSize; ++i) {
    if (i != kCentury) write(static_cast<std::uint8_t>(i | 0x80), static_cast<std::uint8_t>(i * 3));
  }
  for (unsigned i = 0x0e; i < kRamSize; ++i) {
    if (i == kCentury) continue;
    EXPECT_EQ(read(static_cast<std::uint8_t>(i)), static_cast<std::uint8_t>(i * 3));
  }
  for (const std::uint8_t alarm : {kSecondsAlarm, kMinutesAlarm, kHoursAlarm}) {
    write(alarm, 0xc0);
    EXPECT_EQ(read(alarm), 0xc0);
  }
}

TEST_F(CmosRtcTest, DatesThatDoNotExistAreCarriedOver) {
  set({0x20, 0x23, 0x02, 0x29, 0x00, 0x00, 0x00});
  EXPECT_EQ(registers(), (Registers{0x20, 0x23, 0x03, 0x01, 0x00, 0x00, 0x00}));
  set({0x20, 0x23, 0x00, 0x00, 0x24, 0x00, 0x60});
  EXPECT_EQ(registers(), (Registers{0x20, 0x22, 0x12, 0x01, 0x00, 0x01, 0x00})) << "30 November, 24:00:60";
  set({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
  EXPECT_EQ(registers(), (Registers{0x66, 0x79, 0x02, 0x18, 0x23, 0x47, 0x45})) << "each 0xff is 15 tens and 15";
}

TEST_F(CmosRtcTest, AnyBytesInAnyOrderMakeATime) {
  std::mt19937 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const auto bytes = random();
    static constexpr std::uint8_t kIndices[] = {kSeconds, kMinutes, kHours,     kDayOfWeek, kDayOfMonth,
                                                kMonth,   kYear,    kRegisterB, kCentury};
    write(kIndices[bytes % 9], static_cast<std::uint8_t>(bytes >> 8));
    clock.advance(std::chrono::milliseconds(bytes >> 16));
  }
  write(kRegisterB, k24Hours | kBinary);
  const Registers end = registers();
  EXPECT_TRUE(end.century < 100 && end.year < 100 && end.month >= 1 && end.month <= 12 && end.day >= 1 &&
              end.day <= 31 && end.hours < 24 && end.minutes < 60 && end.seconds < 60)
      << end;
}

TEST_F(CmosRtcTest, SurvivesTheEndsOfTheHostsClock) {
  using Time = std::chrono::system_clock::time_point;
  clock.set_wall(Time(Time::duration(std::numeric_limits<std::int64_t>::max())));
  EXPECT_EQ(read(kCentury), 0x22);  // 2262
  clock.set_wall(Time(Time::duration(std::numeric_limits<std::int64_t>::min() + 1'000'000'000)));
  EXPECT_EQ(read(kCentury), 0x16);  // 1677
  EXPECT_EQ(read(kYear), 0x77);
}

TEST_F(CmosRtcTest, IndexPortIsWriteOnlyAndWideAccessesAreSplit) {
  driver.outw(0x70, 0x5a20);  // index 0x20, then its byte
  EXPECT_EQ(read(0x20), 0x5a);
  driver.outb(0x70, 0x20);
  EXPECT_EQ(driver.inb(0x70), 0xff);
  EXPECT_EQ(driver.inw(0x70), 0x5aff);
  testing::PioDriver wide(rtc, {PioRange::constant(0x70, 0x77)});
  EXPECT_EQ(wide.in(0x70, 8), 0xffffffffffff5affu);
  wide.outl(0x72, 0x01020304);
  EXPECT_EQ(read(0x20), 0x5a);
}

}  // namespace
}  // namespace keel
