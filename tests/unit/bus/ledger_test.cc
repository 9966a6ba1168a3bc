// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/ledger.h"

#include <pthread.h>

#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake/bus.h"
#include "keel/bus/io_manager.h"

namespace keel {
namespace {

using fake::guest_in;
using fake::guest_load;
using fake::guest_out;
using fake::guest_store;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr PioRange kUart = PioRange::constant(0x3f8, 0x3ff);
constexpr MmioRange kDisk = MmioRange::constant(0xd0000000, 0xd0000fff);

class Ledger : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(bus.register_pio(kUart, device, "uart").has_value());
    ASSERT_TRUE(bus.register_mmio(kDisk, device, "blk0").has_value());
  }
  void read_port(int times) {
    for (int i = 0; i < times; ++i) (void)guest_in<std::uint8_t>(bus, 0x3f8);
  }
  std::shared_ptr<fake::RecordingDevice> device = std::make_shared<fake::RecordingDevice>();
  IoManager bus;
};

TEST_F(Ledger, CountsEachDirectionOfEachRange) {
  read_port(1000);
  for (int i = 0; i < 7; ++i) (void)guest_out<std::uint8_t>(bus, 0x3ff, 0);
  for (int i = 0; i < 300; ++i) (void)guest_store<std::uint32_t>(bus, 0xd0000050, 0);
  const IoLedger ledger = bus.ledger();
  ASSERT_THAT(ledger.pio.ranges, SizeIs(1));
  ASSERT_THAT(ledger.mmio.ranges, SizeIs(1));
  const auto& uart = ledger.pio.ranges[0];
  EXPECT_EQ(uart.range, kUart);
  EXPECT_EQ(uart.owner, "uart");
  EXPECT_EQ(uart.traffic.reads.count, 1000u);
  EXPECT_EQ(uart.traffic.writes.count, 7u);
  EXPECT_EQ(ledger.mmio.ranges[0].traffic.reads.count, 0u);
  EXPECT_EQ(ledger.mmio.ranges[0].traffic.writes.count, 300u);
  EXPECT_EQ(ledger.pio.unclaimed_reads + ledger.mmio.unclaimed_writes, 0u);
}

TEST_F(Ledger, MeasuresTimeInsideTheDevice) {
  using std::chrono::milliseconds;
  const auto slow = std::make_shared<fake::HandlerDevice>([] { std::this_thread::sleep_for(milliseconds(2)); });
  ASSERT_TRUE(bus.register_pio(PioRange::constant(0x70, 0x71), slow, "rtc").has_value());
  for (int i = 0; i < 10; ++i) (void)guest_out<std::uint8_t>(bus, 0x70, 0);
  const IoLedger ledger = bus.ledger();
  EXPECT_GE(ledger.pio.ranges[0].traffic.writes.time, milliseconds(19)) << "ten times two, by two clocks";
  EXPECT_EQ(ledger.pio.ranges[0].traffic.reads.time, milliseconds(0));
}

// The unmeasured accesses are stood for by the measured ones, also in the middle between two of these, and when their
// thread has ended.
TEST_F(Ledger, ScalesTheTimeOfManyAccessesToTheirNumber) {
  using std::chrono::microseconds;
  const auto steady = std::make_shared<fake::HandlerDevice>([] {
    const auto start = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - start < microseconds(5)) {
    }
  });
  for (const int times : {17, 31, 32, 100, 255, 256, 500, 4096}) {
    ASSERT_TRUE(bus.register_pio(PioRange::constant(0x70, 0x71), steady, "rtc").has_value());
    const auto access = [&](int share) {
      for (int i = 0; i < share; ++i) (void)guest_out<std::uint8_t>(bus, 0x70, 0);
    };
    std::jthread(access, times / 3).join();
    access(times - times / 3);
    const AccessTotals writes = bus.ledger().pio.ranges[0].traffic.writes;
    EXPECT_EQ(writes.count, static_cast<std::uint64_t>(times));
    // From below alone: a device that takes so long cannot be seen to take less, and on a busy machine takes more.
    EXPECT_GE(writes.time, times * microseconds(5) * 9 / 10) << times;
    EXPECT_EQ(bus.deregister_pio(PioAddress(0x70)).value().wait(), Completion::Wait::kDone);
  }
}

TEST_F(Ledger, TellsTheThreadsApartByTheirNames) {
  bus.name_this_thread("vcpu0");
  read_port(3);
  std::jthread([&] {
    bus.name_this_thread("vcpu1");
    read_port(5);
    const IoLedger ledger = bus.ledger();
    EXPECT_THAT(ledger.threads, ElementsAre("ended threads", "vcpu0", "vcpu1"));
    const auto& shares = ledger.pio.ranges[0].by_thread;
    ASSERT_THAT(shares, SizeIs(2));
    EXPECT_EQ(shares[0].thread, 1u);
    EXPECT_EQ(shares[0].traffic.reads.count, 3u);
    EXPECT_EQ(shares[1].thread, 2u);
    EXPECT_EQ(shares[1].traffic.reads.count, 5u);
  }).join();
}

TEST_F(Ledger, CallsAThreadThatNobodyNamedAsTheHostDoes) {
  std::jthread([&] {
    ::pthread_setname_np(::pthread_self(), "devices 0");
    read_port(1);
    EXPECT_THAT(bus.ledger().threads, ElementsAre("ended threads", testing::MatchesRegex("devices 0 \\([0-9]+\\)")));
  }).join();
}

TEST_F(Ledger, KeepsWhatEndedThreadsDid) {
  for (int i = 0; i < 3; ++i) {
    std::jthread([&] {
      read_port(100);
      (void)guest_in<std::uint8_t>(bus, 0x80);
    }).join();
  }
  const IoLedger ledger = bus.ledger();
  EXPECT_THAT(ledger.threads, ElementsAre("ended threads"));
  EXPECT_EQ(ledger.pio.ranges[0].traffic.reads.count, 300u);
  ASSERT_THAT(ledger.pio.ranges[0].by_thread, SizeIs(1));
  EXPECT_EQ(ledger.pio.ranges[0].by_thread[0].thread, 0u);
  EXPECT_EQ(ledger.pio.unclaimed_reads, 3u);
  ASSERT_THAT(ledger.pio.unclaimed, SizeIs(1));
  EXPECT_EQ(ledger.pio.unclaimed[0].reads, 3u);
}

TEST_F(Ledger, KeepsWhatRemovedRangesGotAndStartsTheNextFromZero) {
  read_port(10);
  EXPECT_EQ(bus.deregister_pio(PioAddress(0x3f8)).value().wait(), Completion::Wait::kDone);
  ASSERT_TRUE(bus.register_pio(PioRange::constant(0x2f8, 0x2ff), device, "uart2").has_value());
  const IoLedger ledger = bus.ledger();
  ASSERT_THAT(ledger.pio.removed, SizeIs(1));
  EXPECT_EQ(ledger.pio.removed[0].range, kUart);
  EXPECT_EQ(ledger.pio.removed[0].owner, "uart");
  EXPECT_EQ(ledger.pio.removed[0].traffic.reads.count, 10u);
  ASSERT_THAT(ledger.pio.ranges, SizeIs(1));
  EXPECT_EQ(ledger.pio.ranges[0].traffic.reads.count, 0u);
}

TEST_F(Ledger, BoundsWhatItKeepsOfRemovedRangesAndLosesNoCount) {
  constexpr std::size_t kCycles = 3 * IoLedger::kRemovedRanges;
  for (std::size_t i = 0; i < kCycles; ++i) {
    ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x1000, 0x1fff), device, "hot").has_value());
    (void)guest_load<std::uint32_t>(bus, 0x1000);
    EXPECT_EQ(bus.deregister_mmio(MmioAddress(0x1000)).value().wait(), Completion::Wait::kDone);
  }
  const IoLedger ledger = bus.ledger();
  EXPECT_THAT(ledger.mmio.removed, SizeIs(IoLedger::kRemovedRanges));
  EXPECT_EQ(ledger.mmio.removed_earlier.reads.count, kCycles - IoLedger::kRemovedRanges);
}

TEST_F(Ledger, ARangeThatMovesKeepsItsTraffic) {
  read_port(4);
  IoTransaction change = bus.begin();
  ASSERT_TRUE(change.move_pio(PioAddress(0x3f8), PioAddress(0x2f8)).has_value());
  ASSERT_TRUE(change.commit().value().wait() == Completion::Wait::kDone);
  (void)guest_in<std::uint8_t>(bus, 0x2f8);
  const IoLedger ledger = bus.ledger();
  EXPECT_THAT(ledger.pio.removed, IsEmpty());
  ASSERT_THAT(ledger.pio.ranges, SizeIs(1));
  EXPECT_EQ(ledger.pio.ranges[0].traffic.reads.count, 5u);
}

TEST_F(Ledger, ACancelledRegistrationLeavesNoTrace) {
  {
    IoTransaction change = bus.begin();
    ASSERT_TRUE(change.register_pio(PioRange::constant(0x60, 0x64), device, "kbd").has_value());
  }
  EXPECT_THAT(bus.ledger().pio.removed, IsEmpty());
}

TEST_F(Ledger, CountsUnclaimedAccessesByDirectionAndAddress) {
  for (int i = 0; i < 5; ++i) (void)guest_in<std::uint8_t>(bus, 0x80);
  for (int i = 0; i < 9; ++i) (void)guest_out<std::uint8_t>(bus, 0xed, 0);
  (void)guest_in<std::uint8_t>(bus, 0);
  (void)guest_in<std::uint16_t>(bus, 0x3ff);  // straddles the end
  (void)bus.pio_read(PioAddress(0x3f8), {});  // no bytes
  (void)guest_store<std::uint32_t>(bus, ~0ull, 0);
  const IoLedger ledger = bus.ledger();
  EXPECT_EQ(ledger.pio.unclaimed_reads, 8u);
  EXPECT_EQ(ledger.pio.unclaimed_writes, 9u);
  EXPECT_EQ(ledger.mmio.unclaimed_writes, 1u);
  ASSERT_THAT(ledger.pio.unclaimed, SizeIs(5));
  EXPECT_EQ(ledger.pio.unclaimed[0].address, PioAddress(0xed)) << "the busiest first";
  EXPECT_EQ(ledger.pio.unclaimed[0].writes, 9u);
  EXPECT_EQ(ledger.pio.unclaimed[1].address, PioAddress(0x80));
  EXPECT_EQ(ledger.pio.unclaimed[1].reads, 5u);
  EXPECT_EQ(ledger.pio.unclaimed[2].address, PioAddress(0));
  EXPECT_EQ(ledger.pio.unclaimed[3].address, PioAddress(0x3f8));
  EXPECT_EQ(ledger.pio.unclaimed[4].address, PioAddress(0x3ff));
  ASSERT_THAT(ledger.mmio.unclaimed, SizeIs(1));
  EXPECT_EQ(ledger.mmio.unclaimed[0].address, MmioAddress(~0ull));
}

TEST_F(Ledger, AGuestThatHammersEverywhereFillsNothingAndHidesNobody) {
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    (void)guest_load<std::uint32_t>(bus, 0x10000 + i * 4);
    if (i % 8 == 0) (void)guest_load<std::uint32_t>(bus, 0x8);
  }
  const IoLedger ledger = bus.ledger();
  EXPECT_EQ(ledger.mmio.unclaimed_reads, 225'000u) << "the total is exact";
  EXPECT_THAT(ledger.mmio.unclaimed, SizeIs(IoLedger::kUnclaimedAddresses));
  EXPECT_EQ(ledger.mmio.unclaimed[0].address, MmioAddress(0x8)) << "and the busiest is found";
  EXPECT_GT(ledger.mmio.unclaimed[0].reads, 20'000u);
}

TEST(LedgerOfManyRanges, RefusesOneMoreThanItHasLinesFor) {
  IoManager bus;
  const auto device = std::make_shared<fake::RecordingDevice>();
  IoTransaction change = bus.begin();
  Result<void> added;
  std::uint64_t count = 0;
  for (; added.has_value(); ++count) {
    added = change.register_mmio(*MmioRange::from_size(MmioAddress(count * 16), 16), device, "");
  }
  EXPECT_EQ(added.error().code(), ErrorCode::kExhausted);
  EXPECT_EQ(added.error().message(), "the buses hold 65536 ranges, which is all they can; remove some");
  EXPECT_EQ(count, 65536u + 1);
}

}  // namespace
}  // namespace keel
