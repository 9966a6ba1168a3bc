// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/uart16550.h"

#include <atomic>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_interrupt.h"
#include "support/pio_driver.h"
#include "keel/base/mutex.h"

namespace keel {
namespace {

using namespace uart16550;

struct Terminal final : SerialOutput, SerialInputSource {
  void write(std::span<const std::uint8_t> bytes) override { text.append(bytes.begin(), bytes.end()); }
  void room_again() override { ++wakeups; }
  std::string text;
  int wakeups = 0;
};

std::vector<std::uint8_t> numbered(std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
  return bytes;
}

class Uart16550Test : public ::testing::Test {
 protected:
  Uart16550Test() { out(kMcr, kMcrRts); }

  std::uint8_t in(std::uint16_t reg) { return driver.inb(kBase + reg); }
  void out(std::uint16_t reg, std::uint8_t value) { driver.outb(kBase + reg, value); }

  void enable_fifo(std::uint8_t trigger_code = 0) {
    out(kFcr, static_cast<std::uint8_t>(kFcrEnable | trigger_code << kFcrTriggerShift));
  }
  // What an interrupt handler does: reads while there is data.
  std::vector<std::uint8_t> drain() {
    std::vector<std::uint8_t> bytes;
    while ((in(kLsr)&kLsrDataReady) != 0) bytes.push_back(in(kRbr));
    return bytes;
  }

  static constexpr std::uint16_t kBase = 0x3f8;
  testing::FakeLevelInterrupt interrupt;
  Terminal terminal;
  Uart16550 uart{interrupt, terminal, terminal};
  testing::PioDriver driver{uart, {PioRange::constant(kBase, kBase + kRegisterCount - 1)}};
};

// The steps by which Linux's 8250 driver tells the models apart.
TEST_F(Uart16550Test, IsDetectedAsA16550A) {
  out(kIer, 0);
  EXPECT_EQ(in(kIer), 0);
  out(kIer, 0x0f);
  EXPECT_EQ(in(kIer), 0x0f) << "no 8250 at all";
  out(kIer, 0);

  out(kMcr, kMcrLoopback | kMcrOut2 | kMcrRts);
  EXPECT_EQ(in(kMsr) & 0xf0, kMsrDcd | kMsrCts) << "no loopback";
  out(kMcr, 0);

  out(kLcr, 0);
  out(kFcr, kFcrEnable);
  EXPECT_EQ(in(kIir)&kIirFifosEnabled, kIirFifosEnabled) << "16450 or 16550 with its broken FIFO";

  for (const std::uint8_t lcr : {std::uint8_t{0x80}, std::uint8_t{0xbf}}) {
    out(kLcr, lcr);
    EXPECT_NE(in(kFcr), 0) << "16650: has an enhanced feature register";
  }
  out(kLcr, 0xe0);
  EXPECT_EQ(in(kFcr)&kMcrLoopback, 0);
  out(kLcr, 0);
  out(kMcr, kMcrLoopback);
  out(kLcr, 0xe0);
  EXPECT_EQ(in(kFcr)&kMcrLoopback, 0) << "NS16550A with banks";
  out(kLcr, 0);
  out(kMcr, 0);

  for (const std::uint8_t lcr : {std::uint8_t{0}, kLcrDlab}) {
    out(kLcr, lcr);
    out(kFcr, kFcrEnable | 0x20);
    EXPECT_EQ(in(kIir) >> 5, 6) << "16750: has a 64-byte mode";
  }
  out(kLcr, 0);
  out(kIer, 0x40);
  EXPECT_EQ(in(kIer), 0) << "XScale: has a UART unit enable";
}

TEST_F(Uart16550Test, FifoIsSixteenDeepWhenCountedThroughLoopback) {
  out(kFcr, kFcrEnable | kFcrClearReceive | kFcrClearTransmit);
  out(kMcr, kMcrLoopback);
  for (int i = 0; i < 256; ++i) out(kThr, static_cast<std::uint8_t>(i));
  const std::vector<std::uint8_t> bytes = drain();
  ASSERT_EQ(bytes.size(), kFifoDepth);
  EXPECT_EQ(bytes.front(), 0);
  EXPECT_EQ(bytes.back(), 15) << "an overrun destroys the byte that comes, not those that wait";
  EXPECT_EQ(terminal.text, "") << "loopback reached the wire";
}

TEST_F(Uart16550Test, PrintsWithAnAlwaysEmptyTransmitter) {
  for (const char c : std::string("keel")) {
    EXPECT_EQ(in(kLsr), kLsrThrEmpty | kLsrTransmitterEmpty);
    out(kThr, static_cast<std::uint8_t>(c));
  }
  EXPECT_EQ(terminal.text, "keel");
  EXPECT_FALSE(interrupt.is_high());
}

TEST_F(Uart16550Test, DivisorLatchHidesDataAndInterruptEnable) {
  EXPECT_EQ(in(kIer), 0);
  out(kLcr, kLcrDlab | kLcrWordLength8);
  EXPECT_NE(in(kDll) | in(kDlm), 0) << "Linux's early console divides by it";
  out(kDll, 0x0c);
  out(kDlm, 0x0f);
  EXPECT_EQ(in(kDll), 0x0c);
  EXPECT_EQ(in(kDlm), 0x0f);
  out(kLcr, kLcrWordLength8);
  EXPECT_EQ(in(kLcr), kLcrWordLength8);
  EXPECT_EQ(in(kIer), 0);
  EXPECT_EQ(terminal.text, "");
}

TEST_F(Uart16550Test, ScratchRegisterKeepsItsByte) {
  out(kScr, 0xa5);
  EXPECT_EQ(in(kScr), 0xa5);
}

// PC16550D 8.6: reading IIR ends the THRE interrupt, if that is the one it shows.
TEST_F(Uart16550Test, ThrEmptyInterruptEndsWhenIirShowsIt) {
  out(kIer, kIerThrEmpty);
  EXPECT_TRUE(interrupt.is_high());
  EXPECT_EQ(in(kIir), kIirThrEmpty);
  EXPECT_FALSE(interrupt.is_high());
  EXPECT_EQ(in(kIir), kIirNone);

  out(kIer, kIerThrEmpty);
  EXPECT_EQ(in(kIir), kIirNone) << "it was enabled before";
  out(kIer, 0);
  out(kIer, kIerThrEmpty);
  EXPECT_EQ(in(kIir), kIirThrEmpty) << "Linux tests for the one that comes back";
  out(kThr, 'x');
  EXPECT_EQ(in(kIir), kIirThrEmpty);
}

TEST_F(Uart16550Test, ReadingIirKeepsAThrEmptyInterruptItDoesNotShow) {
  out(kIer, kIerThrEmpty | kIerDataAvailable);
  uart.receive(numbered(1));
  EXPECT_EQ(in(kIir), kIirDataAvailable);
  EXPECT_EQ(in(kRbr), 1);
  EXPECT_EQ(in(kIir), kIirThrEmpty);
  EXPECT_EQ(in(kIir), kIirNone);
}

// Linux's transmit path: a write to IER starts it, each look at IIR allows sixteen bytes more.
TEST_F(Uart16550Test, SendsAnyAmountInOneInterrupt) {
  enable_fifo(2);
  out(kIer, kIerDataAvailable | kIerLineStatus | kIerThrEmpty);
  ASSERT_TRUE(interrupt.is_high());
  std::string sent;
  const int calls_before = interrupt.calls();
  for (int burst = 0; burst < 10; ++burst) {
    ASSERT_EQ(in(kIir), kIirFifosEnabled | kIirThrEmpty);
    for (int i = 0; i < 16; ++i) {
      sent.push_back(static_cast<char>('a' + i));
      out(kThr, static_cast<std::uint8_t>('a' + i));
    }
  }
  out(kIer, kIerDataAvailable | kIerLineStatus);
  EXPECT_EQ(in(kIir), kIirFifosEnabled | kIirNone);
  EXPECT_EQ(terminal.text, sent);
  EXPECT_EQ(interrupt.calls() - calls_before, 10 + 10 + 1) << "one fall and one rise for each sixteen bytes";
}

TEST_F(Uart16550Test, WithoutFifosEveryByteMakesItsOwnEdge) {
  out(kIer, kIerThrEmpty);
  for (int i = 0; i < 5; ++i) out(kThr, 'x');  // a handler that never looks at IIR
  EXPECT_EQ(interrupt.edges(), 1 + 5);
}

TEST_F(Uart16550Test, AnnouncesWhatReachesTheTriggerLevelAndTimesOutWhatDoesNot) {
  for (std::uint8_t code = 0; code < 4; ++code) {
    enable_fifo(code);
    out(kIer, kIerDataAvailable);
    const std::size_t trigger = kTriggerLevels[code];
    ASSERT_EQ(uart.receive(numbered(trigger)), trigger);
    EXPECT_TRUE(interrupt.is_high());
    EXPECT_EQ(in(kIir), kIirFifosEnabled | kIirDataAvailable);
    EXPECT_EQ(in(kRbr), 1);
    EXPECT_EQ(in(kIir), kIirFifosEnabled | (trigger > 1 ? kIirCharacterTimeout : kIirNone));
    EXPECT_EQ(drain().size(), trigger - 1);
    EXPECT_FALSE(interrupt.is_high());
  }
}

TEST_F(Uart16550Test, PrioritiesAreTheDataSheets) {
  enable_fifo();
  out(kIer, kIerBits);
  out(kMcr, kMcrLoopback | kMcrDtr);            // modem lines change
  for (int i = 0; i < 17; ++i) out(kThr, 'x');  // fills the FIFO and overruns it
  EXPECT_EQ(in(kIir), kIirFifosEnabled | kIirLineStatus);
  EXPECT_EQ(in(kLsr)&kLsrOverrun, kLsrOverrun);
  EXPECT_EQ(in(kLsr)&kLsrOverrun, 0);
  EXPECT_EQ(in(kIir), kIirFifosEnabled | kIirDataAvailable);
  EXPECT_EQ(drain().size(), 16u);
  EXPECT_EQ(in(kIir), kIirFifosEnabled | kIirThrEmpty);
  EXPECT_EQ(in(kIir), kIirFifosEnabled | kIirModemStatus);
  EXPECT_TRUE(interrupt.is_high());
  in(kMsr);
  EXPECT_EQ(in(kIir), kIirFifosEnabled | kIirNone);
  EXPECT_FALSE(interrupt.is_high());
}

TEST_F(Uart16550Test, ModemLinesShowAReadyPeer) {
  EXPECT_EQ(in(kMsr), kMsrCts | kMsrDsr | kMsrDcd);
  out(kMcr, kMcrDtr | kMcrRts | kMcrOut2);
  EXPECT_EQ(in(kMsr), kMsrCts | kMsrDsr | kMsrDcd) << "outputs do not touch inputs outside of loopback";
  EXPECT_EQ(in(kMcr), kMcrDtr | kMcrRts | kMcrOut2);
}

TEST_F(Uart16550Test, LoopbackReportsModemLineChanges) {
  out(kMcr, kMcrLoopback | kMcrOut1);
  EXPECT_EQ(in(kMsr), kMsrRi | kMsrDeltaCts | kMsrDeltaDsr | kMsrDeltaDcd);
  EXPECT_EQ(in(kMsr), kMsrRi);
  out(kMcr, kMcrLoopback);
  EXPECT_EQ(in(kMsr), kMsrTrailingEdgeRi);
  out(kMcr, kMcrLoopback | kMcrOut1);
  EXPECT_EQ(in(kMsr), kMsrRi) << "the rising edge of RI is not reported";
}

TEST_F(Uart16550Test, TakesOneByteWithoutFifosAndSixteenWithThem) {
  EXPECT_EQ(uart.receive(numbered(40)), 1u);
  EXPECT_EQ(uart.receive(numbered(40)), 0u);
  enable_fifo();
  EXPECT_EQ(uart.receive(numbered(40)), 16u);
  EXPECT_EQ(uart.receive(numbered(40)), 0u);
  EXPECT_EQ(drain(), numbered(16));
  EXPECT_EQ(uart.receive({}), 0u);
}

TEST_F(Uart16550Test, ChangingOrClearingTheFifoEmptiesIt) {
  enable_fifo();
  uart.receive(numbered(3));
  out(kFcr, kFcrEnable | kFcrClearReceive);
  EXPECT_TRUE(drain().empty());
  uart.receive(numbered(3));
  enable_fifo(3);
  EXPECT_EQ(drain().size(), 3u) << "changing the trigger level must keep the data";
  uart.receive(numbered(3));
  out(kFcr, 0);
  EXPECT_TRUE(drain().empty());
  EXPECT_EQ(in(kIir)&kIirFifosEnabled, 0);
  EXPECT_EQ(in(kRbr), 0) << "empty";
}

// The class of Firecracker #2177: input while the guest does not read.
TEST_F(Uart16550Test, InputResumesAfterEveryStall) {
  enable_fifo(2);
  const std::vector<std::uint8_t> input = numbered(200);
  std::span<const std::uint8_t> rest(input);
  std::vector<std::uint8_t> got;
  while (!rest.empty()) {
    const int wakeups_before = terminal.wakeups;
    rest = rest.subspan(uart.receive(rest));
    EXPECT_EQ(uart.receive(rest), 0u) << "a full FIFO takes nothing and loses nothing";
    const std::vector<std::uint8_t> read = drain();
    got.insert(got.end(), read.begin(), read.end());
    EXPECT_EQ(terminal.wakeups - wakeups_before, rest.empty() ? 0 : 1);
  }
  EXPECT_EQ(got, input);
}

TEST_F(Uart16550Test, EveryWayToMakeRoomWakesTheInput) {
  const std::vector<std::uint8_t> input = numbered(20);
  int expected = 0;

  enable_fifo();
  uart.receive(input);
  out(kFcr, kFcrEnable | kFcrClearReceive);
  EXPECT_EQ(terminal.wakeups, ++expected) << "clearing the FIFO";

  uart.receive(input);
  out(kFcr, 0);
  EXPECT_EQ(terminal.wakeups, ++expected) << "switching the FIFO off";

  uart.receive(input);
  enable_fifo();
  EXPECT_EQ(terminal.wakeups, ++expected) << "switching the FIFO on";

  out(kMcr, kMcrLoopback);
  EXPECT_EQ(uart.receive(input), 0u) << "the receiver is cut off";
  out(kScr, 1);
  EXPECT_EQ(terminal.wakeups, expected);
  out(kMcr, kMcrRts);
  EXPECT_EQ(terminal.wakeups, ++expected) << "leaving loopback";

  drain();
  EXPECT_EQ(terminal.wakeups, expected) << "nobody waits";
}

TEST_F(Uart16550Test, WakesTheInputBelowTheTriggerLevelNotByteByByte) {
  enable_fifo(2);
  uart.receive(numbered(20));
  for (int left = 15; left >= 8; --left) {
    in(kRbr);
    EXPECT_EQ(terminal.wakeups, 0);
  }
  in(kRbr);
  EXPECT_EQ(terminal.wakeups, 1);
}

TEST_F(Uart16550Test, WideAccessesAreSplitAsOnTheIsaBus) {
  driver.outw(kBase + kMcr - 1, 0x0b03);  // LCR and MCR
  EXPECT_EQ(in(kLcr), 0x03);
  EXPECT_EQ(in(kMcr), 0x0b);
  EXPECT_EQ(driver.inw(kBase + kLcr), 0x0b03);
  EXPECT_EQ(driver.in(kBase, 8) >> 40, 0x00b060u);  // LSR, MSR, SCR at the end
}

TEST_F(Uart16550Test, RegistersBeyondTheEighthReadAsOnes) {
  // Somebody registered more ports than the chip has.
  testing::PioDriver wide(uart, {PioRange::constant(0x100, 0x1ff)});
  EXPECT_EQ(wide.inl(0x106), 0xffff00b0u);
  wide.outl(0x106, 0x12345678);
  EXPECT_EQ(wide.inb(0x107), 0x56);
  EXPECT_EQ(wide.inb(0x1ff), 0xff);
}

TEST_F(Uart16550Test, ReadOnlyRegistersIgnoreWrites) {
  out(kLsr, 0xff);
  out(kMsr, 0xff);
  EXPECT_EQ(in(kLsr), kLsrThrEmpty | kLsrTransmitterEmpty);
  EXPECT_EQ(in(kMsr), kMsrCts | kMsrDsr | kMsrDcd);
}

TEST_F(Uart16550Test, TriesAgainWhenTheHostRefusesTheInterrupt) {
  out(kIer, kIerDataAvailable);
  interrupt.refuse();
  uart.receive(numbered(1));
  EXPECT_FALSE(interrupt.is_high());
  interrupt.accept();
  in(kScr);
  EXPECT_TRUE(interrupt.is_high());
}

// Guest and host thread on one port, as Locked<> has it; the host waits for room whenever the port is full.
TEST_F(Uart16550Test, CarriesAStreamBetweenTwoThreads) {
  struct WakingSource final : SerialInputSource {
    void room_again() override { room.store(true); }
    std::atomic<bool> room{true};
  };
  WakingSource source;
  Uart16550 shared(interrupt, terminal, source);
  testing::PioDriver guest(shared, {PioRange::constant(kBase, kBase + 7)});
  Mutex mutex;
  std::vector<std::uint8_t> input(5'000);
  std::iota(input.begin(), input.end(), std::uint8_t{0});
  guest.outb(kBase + kFcr, kFcrEnable);
  guest.outb(kBase + kMcr, kMcrRts);

  std::thread host([&] {
    std::span<const std::uint8_t> rest(input);
    while (!rest.empty()) {
      while (!source.room.exchange(false)) std::this_thread::yield();
      const Lock lock(mutex);
      rest = rest.subspan(shared.receive(rest));
    }
  });
  std::vector<std::uint8_t> got;
  while (got.size() < input.size()) {
    {
      const Lock lock(mutex);
      while ((guest.inb(kBase + kLsr) & kLsrDataReady) != 0) got.push_back(guest.inb(kBase + kRbr));
    }
    std::this_thread::yield();
  }
  host.join();
  EXPECT_EQ(got, input);
}

// What a host types before a driver listens would be cleared with the FIFO when the driver starts.
TEST_F(Uart16550Test, TakesNothingBeforeTheGuestRaisesRts) {
  out(kMcr, 0);
  EXPECT_EQ(uart.receive(numbered(3)), 0u);
  enable_fifo();
  EXPECT_EQ(in(kLsr)&kLsrDataReady, 0);
  EXPECT_EQ(terminal.wakeups, 0);
  out(kMcr, kMcrDtr | kMcrRts);
  EXPECT_EQ(terminal.wakeups, 1);
  EXPECT_EQ(uart.receive(numbered(3)), 3u);
  EXPECT_EQ(drain(), numbered(3));
}

}  // namespace
}  // namespace keel
