// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/io_transaction.h"

#include <atomic>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake/bus.h"
#include "fake/threads.h"
#include "keel/bus/io_manager.h"

namespace keel {
namespace {

using fake::guest_in;
using fake::guest_load;
using fake::RecordingDevice;

std::shared_ptr<RecordingDevice> device(std::uint64_t value) {
  return std::make_shared<RecordingDevice>(value);
}

class IoTransactionTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x1000, 0x1fff), device(1), "blk0").has_value());
    ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x3000, 0x3fff), device(3), "net0").has_value());
    ASSERT_TRUE(bus.register_pio(PioRange::constant(0x10, 0x1f), device(7), "ports").has_value());
  }
  IoManager bus;
};

TEST_F(IoTransactionTest, ChangesNothingUntilTheCommitAndThenEverything) {
  IoTransaction change = bus.begin();
  ASSERT_TRUE(change.deregister_mmio(MmioAddress(0x1234)).has_value());
  ASSERT_TRUE(change.register_mmio(MmioRange::constant(0x1800, 0x27ff), device(2), "blk1").has_value());
  ASSERT_TRUE(change.move_pio(PioAddress(0x11), PioAddress(0x20)).has_value());
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x1800), 1);
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x2000), 0xff);
  EXPECT_EQ(guest_in<std::uint8_t>(bus, 0x10), 7);

  const auto completion = change.commit();
  ASSERT_TRUE(completion.has_value());
  EXPECT_EQ(completion->wait(), Completion::Wait::kDone);
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x1000), 0xff);
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x1800), 2);
  EXPECT_EQ(guest_in<std::uint8_t>(bus, 0x10), 0xff);
  EXPECT_EQ(guest_in<std::uint8_t>(bus, 0x2f), 7);
}

TEST_F(IoTransactionTest, IsCancelledWhenItIsDroppedOrTold) {
  {
    IoTransaction change = bus.begin();
    ASSERT_TRUE(change.deregister_mmio(MmioAddress(0x1000)).has_value());
  }
  IoTransaction change = bus.begin();
  ASSERT_TRUE(change.deregister_mmio(MmioAddress(0x1000)).has_value());
  change.cancel();
  ASSERT_TRUE(change.commit().has_value()) << "and is empty then";
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x1000), 1);
}

TEST_F(IoTransactionTest, ARegistrationThatIsCancelledReleasesItsDevice) {
  const auto blk = device(4);
  {
    IoTransaction change = bus.begin();
    ASSERT_TRUE(change.register_mmio(MmioRange::constant(0x8000, 0x8fff), blk, "blk").has_value());
    EXPECT_EQ(blk.use_count(), 2);
  }
  EXPECT_EQ(blk.use_count(), 1);
}

TEST_F(IoTransactionTest, ErrorsNameBothPartiesAndLeaveTheRestOfTheTransaction) {
  IoTransaction change = bus.begin();
  ASSERT_TRUE(change.register_mmio(MmioRange::constant(0x5000, 0x5fff), device(5), "rng0").has_value());
  EXPECT_EQ(change.register_mmio(MmioRange::constant(0x5800, 0x67ff), device(6), "rng1").error().message(),
            R"(mmio [0x5800, 0x67ff] "rng1" overlaps [0x5000, 0x5fff] "rng0")"
            "; deregister that first, or choose another range");
  EXPECT_EQ(change.register_mmio(MmioRange::constant(0x0, 0x1000), device(6), "rng1").error().message(),
            R"(mmio [0x0, 0x1000] "rng1" overlaps [0x1000, 0x1fff] "blk0")"
            "; deregister that first, or choose another range");
  EXPECT_EQ(change.move_mmio(MmioAddress(0x5000), MmioAddress(0x3fff)).error().message(),
            R"(mmio [0x3fff, 0x4ffe] "rng0" overlaps [0x3000, 0x3fff] "net0")"
            "; deregister that first, or choose another range");
  EXPECT_EQ(change.move_mmio(MmioAddress(0x5000), MmioAddress(~0ull)).error().message(),
            R"(mmio [0x5000, 0x5fff] "rng0" moved to 0xffffffffffffffff would pass the top of the address space )"
            R"((0xffffffffffffffff))");
  ASSERT_TRUE(change.deregister_mmio(MmioAddress(0x3000)).has_value());
  EXPECT_EQ(change.deregister_mmio(MmioAddress(0x3000)).error().message(),
            R"(mmio 0x3000: [0x3000, 0x3fff] "net0" is removed or moved away by this transaction)");
  ASSERT_TRUE(change.commit().has_value());
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x5000), 5);
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x3000), 0xff);
}

TEST_F(IoTransactionTest, SeesItsOwnChanges) {
  IoTransaction change = bus.begin();
  ASSERT_TRUE(change.register_mmio(MmioRange::constant(0x5000, 0x5fff), device(5), "rng0").has_value());
  ASSERT_TRUE(change.move_mmio(MmioAddress(0x5fff), MmioAddress(0x5800)).has_value()) << "over where it was";
  EXPECT_FALSE(change.deregister_mmio(MmioAddress(0x5000)).has_value());
  const auto removed = change.deregister_mmio(MmioAddress(0x67ff));
  ASSERT_TRUE(removed.has_value());
  EXPECT_EQ(removed->range(), MmioRange::constant(0x5800, 0x67ff));
  ASSERT_TRUE(change.register_mmio(MmioRange::constant(0x5000, 0x6fff), device(6), "rng1").has_value());
  ASSERT_TRUE(change.commit().has_value());
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x5800), 6);
}

TEST_F(IoTransactionTest, AMoveMayOverlapWhereItWasAndSwapTwo) {
  IoTransaction shift = bus.begin();
  ASSERT_TRUE(shift.move_mmio(MmioAddress(0x1000), MmioAddress(0x1001)).has_value());
  ASSERT_TRUE(shift.commit().has_value());
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x1000), 0xff);
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x2000), 1);

  IoTransaction swap = bus.begin();
  ASSERT_TRUE(swap.move_mmio(MmioAddress(0x1001), MmioAddress(0x9000)).has_value());
  ASSERT_TRUE(swap.move_mmio(MmioAddress(0x3000), MmioAddress(0x1001)).has_value());
  ASSERT_TRUE(swap.move_mmio(MmioAddress(0x9000), MmioAddress(0x3000)).has_value());
  ASSERT_TRUE(swap.commit().has_value());
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x1001), 3);
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x3000), 1);
}

TEST_F(IoTransactionTest, ACommitFailsWholeWhereSomebodyElseWasFaster) {
  IoTransaction late = bus.begin();
  ASSERT_TRUE(late.register_pio(PioRange::constant(0x60, 0x64), device(8), "kbd").has_value());
  ASSERT_TRUE(late.register_mmio(MmioRange::constant(0x5000, 0x5fff), device(5), "late").has_value());
  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x5000, 0x5000), device(6), "fast").has_value());
  EXPECT_EQ(late.commit().error().message(), R"(mmio [0x5000, 0x5fff] "late" overlaps [0x5000, 0x5000] "fast")"
                                             "; deregister that first, or choose another range");
  EXPECT_EQ(guest_in<std::uint8_t>(bus, 0x60), 0xff) << "nothing of it happened";

  ASSERT_TRUE(bus.deregister_mmio(MmioAddress(0x5000)).has_value());
  ASSERT_TRUE(late.commit().has_value()) << "the transaction kept its changes";
  EXPECT_EQ(guest_in<std::uint8_t>(bus, 0x60), 8);
}

TEST_F(IoTransactionTest, ACommitThatRemovesWhatIsGoneOrReplacedFails) {
  IoTransaction change = bus.begin();
  ASSERT_TRUE(change.deregister_mmio(MmioAddress(0x1000)).has_value());
  ASSERT_TRUE(bus.deregister_mmio(MmioAddress(0x1000)).has_value());
  const auto gone = change.commit();
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(gone.error().message(),
            R"(mmio [0x1000, 0x1fff] "blk0" was removed or moved by somebody else before this commit)");

  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x1000, 0x1fff), device(9), "blk0").has_value());
  EXPECT_FALSE(change.commit().has_value()) << "the same range and name, and another registration";
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x1000), 9);
}

// Answers with the number of the commit that brought it.
class Generation : public DevicePio, public DeviceMmio {
 public:
  explicit Generation(std::uint32_t number) : number_(number) {}
  void pio_read(PioAddress, std::uint16_t, std::span<std::uint8_t> data) override { store_le(data, number_); }
  void pio_write(PioAddress, std::uint16_t, std::span<const std::uint8_t>) override {}
  void mmio_read(MmioAddress, std::uint64_t, std::span<std::uint8_t> data) override { store_le(data, number_); }
  void mmio_write(MmioAddress, std::uint64_t, std::span<const std::uint8_t>) override {}

 private:
  const std::uint32_t number_;
};

// Each commit replaces a device on both buses. Whoever has seen commit n on one bus must find n or later on the other,
// and nobody ever finds the place empty between two.
TEST(IoTransaction, NoReaderEverSeesHalfOfACommitOverBothBuses) {
  const fake::Watchdog watchdog("commits under readers");
  constexpr std::uint32_t kCommits = 3000;
  IoManager bus;
  const auto install = [&bus](std::uint32_t number) {
    IoTransaction change = bus.begin();
    const auto generation = std::make_shared<Generation>(number);
    if (number > 0) {
      ASSERT_TRUE(change.deregister_pio(PioAddress(0x60)).has_value());
      ASSERT_TRUE(change.deregister_mmio(MmioAddress(0x1000)).has_value());
    }
    ASSERT_TRUE(change.register_pio(PioRange::constant(0x60, 0x63), generation, "").has_value());
    ASSERT_TRUE(change.register_mmio(MmioRange::constant(0x1000, 0x1fff), generation, "").has_value());
    ASSERT_TRUE(change.commit().has_value());
  };
  install(0);

  std::atomic<std::uint32_t> seen = 0;
  std::jthread reader([&] {
    for (std::uint32_t newest = 0; newest + 1 < kCommits;) {
      const auto port = guest_in<std::uint32_t>(bus, 0x60);
      const auto memory = guest_load<std::uint32_t>(bus, 0x1ffc);
      ASSERT_LT(port, kCommits) << "nobody there";
      ASSERT_LE(newest, port) << "back in time";
      ASSERT_LE(port, memory) << "the ports are ahead of the memory";
      newest = memory;
      seen = newest;
    }
  });
  for (std::uint32_t number = 1; number < kCommits; ++number) install(number);
  reader.join();
  EXPECT_EQ(seen, kCommits - 1);
}

}  // namespace
}  // namespace keel
