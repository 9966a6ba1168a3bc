// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Devices come and go ten thousand times while vCPUs access them. Meant for ThreadSanitizer and AddressSanitizer as
// much as for itself.

#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "fake/bus.h"
#include "fake/threads.h"
#include "keel/bus/io_manager.h"

namespace keel {
namespace {

constexpr unsigned kReaders = 2;
constexpr std::uint32_t kCycles = 10'000;
constexpr std::uint64_t kBase = 0xd0000000;
constexpr unsigned kSlots = 8;
constexpr std::uint32_t kAwaited = 499;  // of so many devices one stays until it is visited; odd, so in every slot

// What a device must not see, and what it counts.
struct Tally {
  std::atomic<std::uint64_t> begun = 0;
  std::atomic<std::uint64_t> finished = 0;
  std::atomic<std::uint64_t> after_rest = 0;
  std::atomic<int> alive = 0;
};

class Visited : public DeviceMmio, public DevicePio {
 public:
  Visited(std::uint32_t number, Tally& tally) : tally_(tally), number_(number) { ++tally_.alive; }
  ~Visited() override {
    if (inside_ != 0) ++tally_.after_rest;
    number_ = 0xdead;  // plainly: ThreadSanitizer sees a destruction that no grace period orders
    --tally_.alive;
  }
  Visited(const Visited&) = delete;
  Visited& operator=(const Visited&) = delete;

  void mmio_read(MmioAddress, std::uint64_t, std::span<std::uint8_t> data) override { visit(data); }
  void mmio_write(MmioAddress, std::uint64_t, std::span<const std::uint8_t>) override { visit({}); }
  void pio_read(PioAddress, std::uint16_t, std::span<std::uint8_t> data) override { visit(data); }
  void pio_write(PioAddress, std::uint16_t, std::span<const std::uint8_t>) override { visit({}); }

  // The manager says that nobody is inside and nobody comes any more.
  void rest() {
    if (inside_ != 0) ++tally_.after_rest;
    at_rest_ = true;
  }

 private:
  void visit(std::span<std::uint8_t> data) {
    ++inside_;
    ++tally_.begun;
    if (at_rest_) ++tally_.after_rest;
    store_le(data, number_);
    ++tally_.finished;
    --inside_;
  }

  Tally& tally_;
  std::uint32_t number_;
  std::atomic<int> inside_ = 0;
  std::atomic<bool> at_rest_ = false;
};

class HotPlug : public testing::Test {
 protected:
  // Returns when each of them has been inside a device.
  void start_readers() {
    const bool empty = bus.mmio_entries().empty();
    if (empty) {
      ASSERT_TRUE(bus.register_mmio(range_of(0), std::make_shared<Visited>(0, tally), "first").has_value());
    }
    for (unsigned i = 0; i < kReaders; ++i) {
      readers.emplace_back([this, i](const std::stop_token& stop) {
        std::uint64_t claimed = 0, unclaimed = 0;
        bool was_inside = false;
        for (std::uint64_t n = i; !stop.stop_requested(); ++n) {
          const std::uint64_t slot = n % kSlots;
          const auto value = fake::guest_load<std::uint32_t>(bus, kBase + slot * 0x1000);
          if (value == 0xffffffff) {
            ++unclaimed;
          } else {
            ++claimed;
            if (!std::exchange(was_inside, true)) started.count_down();
            // Device number n lives at slot n % kSlots and nowhere else.
            if (value % kSlots != slot || value > latest.load()) ++strangers;
          }
          if (n % 3 == 0) {
            (fake::guest_store<std::uint32_t>(bus, kBase + slot * 0x1000, 0) == Dispatch::kClaimed ? claimed
                                                                                                   : unclaimed) += 1;
          }
        }
        all_claimed += claimed;
        all_unclaimed += unclaimed;
      });
    }
    started.wait();
    if (empty) {
      ASSERT_TRUE(bus.deregister_mmio(range_of(0).first()).has_value());
    }
  }
  void stop_readers() { readers.clear(); }
  // Returns when an access has begun since the call: what the test does next is done under traffic.
  void await_a_visit() const {
    const std::uint64_t before = tally.begun;
    while (tally.begun == before) std::this_thread::yield();
  }

  static MmioRange range_of(std::uint32_t number) {
    return *MmioRange::from_size(MmioAddress(kBase + (number % kSlots) * 0x1000), 0x1000);
  }

  const fake::Watchdog watchdog{"hot-plug under traffic", std::chrono::seconds(280)};
  Tally tally;
  IoManager bus;
  std::latch started{kReaders};
  std::atomic<std::uint32_t> latest = 0;
  std::atomic<std::uint64_t> strangers = 0, all_claimed = 0, all_unclaimed = 0;
  std::vector<std::jthread> readers;
};

TEST_F(HotPlug, EveryAccessLandsInTheDeviceThatWasThereOrInNobody) {
  start_readers();
  for (std::uint32_t number = 1; number <= kCycles; ++number) {
    auto device = std::make_shared<Visited>(number, tally);
    latest = number;
    ASSERT_TRUE(bus.register_mmio(range_of(number), device, "hot").has_value());
    if (number % kAwaited == 0) await_a_visit();
    // Every fourth is waited for; of the others the manager keeps the device until nobody is inside.
    const auto removal = bus.deregister_mmio(range_of(number).first());
    ASSERT_TRUE(removal.has_value());
    if (number % 4 == 0) {
      ASSERT_EQ(removal->wait(), Completion::Wait::kDone);
      device->rest();
      ASSERT_EQ(device.use_count(), 2) << "the manager has let go: this and the removal hold it";
    }
  }
  stop_readers();
  ASSERT_TRUE(bus.mmio_entries().empty());
  EXPECT_GT(tally.begun, kCycles / kAwaited);
  const IoLedger ledger = bus.ledger();
  EXPECT_EQ(tally.begun, tally.finished) << "each access that began has finished";
  EXPECT_EQ(tally.begun, all_claimed) << "each access was served exactly once";
  EXPECT_EQ(tally.after_rest, 0u);
  EXPECT_EQ(strangers, 0u);
  EXPECT_EQ(ledger.mmio.unclaimed_reads + ledger.mmio.unclaimed_writes, all_unclaimed);
}

TEST_F(HotPlug, AReplacementLeavesNoGapAndNoTwins) {
  {
    IoTransaction fill = bus.begin();
    for (std::uint32_t number = 0; number < kSlots; ++number) {
      ASSERT_TRUE(fill.register_mmio(range_of(number), std::make_shared<Visited>(number, tally), "hot").has_value());
    }
    ASSERT_TRUE(fill.commit().has_value());
    latest = kSlots - 1;
  }
  start_readers();
  for (std::uint32_t number = kSlots; number < kCycles / 2; ++number) {
    latest = number;
    IoTransaction replace = bus.begin();
    ASSERT_TRUE(replace.deregister_mmio(range_of(number).first()).has_value());
    ASSERT_TRUE(replace.register_mmio(range_of(number), std::make_shared<Visited>(number, tally), "hot").has_value());
    ASSERT_TRUE(replace.commit().has_value());
    if (number % kAwaited == 0) await_a_visit();
  }
  stop_readers();
  EXPECT_GT(tally.begun, kCycles / 2 / kAwaited);
  EXPECT_EQ(all_unclaimed, 0u) << "there was always somebody";
  EXPECT_EQ(tally.begun, all_claimed);
  EXPECT_EQ(tally.after_rest, 0u);
  EXPECT_EQ(strangers, 0u);
}

TEST_F(HotPlug, SeveralThreadsPlugAtOnceAndEachChangeIsSomebodys) {
  start_readers();
  std::atomic<std::uint64_t> won = 0, overlapped = 0, removed = 0;
  {
    std::vector<std::jthread> pluggers;
    for (unsigned i = 0; i < 3; ++i) {
      pluggers.emplace_back([&, i] {
        for (std::uint32_t n = 0; n < kCycles / 10; ++n) {
          const std::uint32_t number = n + i;  // the threads want the same slots
          std::uint32_t seen = latest;
          while (seen < number && !latest.compare_exchange_weak(seen, number)) {
          }
          if (bus.register_mmio(range_of(number), std::make_shared<Visited>(number, tally), "hot"))
            ++won;
          else
            ++overlapped;
          // Whoever of the three comes here last leaves somebody on the bus.
          if (n % (kAwaited / 5) == 0) await_a_visit();
          if (n % 2 == 0 && bus.deregister_mmio(range_of(number).last())) ++removed;
        }
      });
    }
  }
  stop_readers();
  EXPECT_GT(tally.begun, kReaders);
  EXPECT_EQ(won + overlapped, 3u * (kCycles / 10));
  EXPECT_EQ(bus.mmio_entries().size(), won - removed);
  EXPECT_EQ(tally.begun, all_claimed);
  EXPECT_EQ(tally.after_rest, 0u);
  EXPECT_EQ(strangers, 0u);
}

// The manager's end is the end of every device.
TEST_F(HotPlug, NothingIsLeftAfterTheManager) {
  {
    IoManager mine;
    std::jthread reader([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) (void)fake::guest_load<std::uint32_t>(mine, kBase);
    });
    for (std::uint32_t number = 0; number < 500; ++number) {
      ASSERT_TRUE(mine.register_mmio(range_of(number), std::make_shared<Visited>(number, tally), "hot").has_value());
      // At kBase, where the reader is.
      if (number % (10 * kSlots) == 0) await_a_visit();
      if (number >= 4) {
        ASSERT_TRUE(mine.deregister_mmio(range_of(number - 4).first()).has_value());
      }
    }
    reader.request_stop();
    reader.join();
  }
  EXPECT_GT(tally.begun, 0u);
  EXPECT_EQ(tally.alive, 0);
}

}  // namespace
}  // namespace keel
