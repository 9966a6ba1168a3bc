// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/locked.h"

#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include "fake/bus.h"

namespace keel {
namespace {

// A register that breaks when two threads are inside at once.
class Counter : public MutDevicePio, public MutDeviceMmio {
 public:
  explicit Counter(std::uint32_t start = 0) : value_(start) {}
  void pio_read(PioAddress, std::uint16_t, std::span<std::uint8_t> data) override { store_le(data, value_); }
  void pio_write(PioAddress, std::uint16_t, std::span<const std::uint8_t>) override { ++value_; }
  void mmio_read(MmioAddress, std::uint64_t, std::span<std::uint8_t> data) override { store_le(data, value_); }
  void mmio_write(MmioAddress, std::uint64_t, std::span<const std::uint8_t>) override { ++value_; }
  [[nodiscard]] std::uint32_t value() const { return value_; }

 private:
  std::uint32_t value_;
};

class PioOnly : public MutDevicePio {
 public:
  void pio_read(PioAddress, std::uint16_t, std::span<std::uint8_t>) override {}
  void pio_write(PioAddress, std::uint16_t, std::span<const std::uint8_t>) override {}
};
class MmioOnly : public MutDeviceMmio {
 public:
  void mmio_read(MmioAddress, std::uint64_t, std::span<std::uint8_t>) override {}
  void mmio_write(MmioAddress, std::uint64_t, std::span<const std::uint8_t>) override {}
};

static_assert(std::is_base_of_v<DevicePio, Locked<Counter>> && std::is_base_of_v<DeviceMmio, Locked<Counter>>);
static_assert(std::is_base_of_v<DevicePio, Locked<PioOnly>> && !std::is_base_of_v<DeviceMmio, Locked<PioOnly>>);
static_assert(std::is_base_of_v<DeviceMmio, Locked<MmioOnly>> && !std::is_base_of_v<DevicePio, Locked<MmioOnly>>);
static_assert(!std::is_copy_constructible_v<Locked<Counter>>);

// A lockable of somebody else's: it has lock and unlock, and no more.
class SpinLock {
 public:
  void lock() {
    while (flag_.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  }
  void unlock() { flag_.clear(std::memory_order_release); }

 private:
  std::atomic_flag flag_;
};

template <typename Mutex>
class LockedWith : public testing::Test {};
using Mutexes = testing::Types<keel::Mutex, std::mutex, std::recursive_mutex, SpinLock>;
TYPED_TEST_SUITE(LockedWith, Mutexes);

TYPED_TEST(LockedWith, OneThreadAtATimeIsInsideFromBothBusesAndTheHost) {
  constexpr int kRounds = 5000;
  Locked<Counter, TypeParam> locked;
  IoManager bus;
  std::shared_ptr<Locked<Counter, TypeParam>> shared(&locked, [](auto*) {});
  ASSERT_TRUE(bus.register_pio(PioRange::constant(0x10, 0x13), shared, "counter").has_value());
  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x1000, 0x1fff), shared, "counter").has_value());
  {
    std::jthread ports([&] {
      for (int i = 0; i < kRounds; ++i) (void)fake::guest_out<std::uint32_t>(bus, 0x10, 1);
    });
    std::jthread memory([&] {
      for (int i = 0; i < kRounds; ++i) (void)fake::guest_store<std::uint32_t>(bus, 0x1000, 1);
    });
    for (int i = 0; i < kRounds; ++i) locked.with_lock([](Counter& counter) { counter.mmio_write({}, 0, {}); });
  }
  EXPECT_EQ(locked.with_lock([](Counter& counter) { return counter.value(); }), 3u * kRounds);
}

TEST(Locked, OwnsItsDeviceOrWrapsOneThatLivesElsewhere) {
  Locked<Counter> owner(41u);
  static_cast<DevicePio&>(owner).pio_write({}, 0, {});
  EXPECT_EQ(owner.with_lock([](Counter& counter) { return counter.value(); }), 42u);

  Counter counter(6);
  Locked<Counter&, NullMutex> wrapper(counter);
  static_cast<DeviceMmio&>(wrapper).mmio_write({}, 0, {});
  EXPECT_EQ(counter.value(), 7u);
}

TEST(Locked, HandsOutTheDeviceItself) {
  Locked<Counter> locked;
  Counter& inside = locked.with_lock([](Counter& counter) -> Counter& { return counter; });
  EXPECT_EQ(inside.value(), 0u);
}

// A DMA engine whose target the guest chose.
class DmaEngine : public MutDeviceMmio {
 public:
  explicit DmaEngine(const IoManager& bus) : bus_(bus) {}
  void mmio_read(MmioAddress, std::uint64_t, std::span<std::uint8_t> data) override { store_le(data, fetched_); }
  void mmio_write(MmioAddress, std::uint64_t, std::span<const std::uint8_t> data) override {
    fetched_ = fake::guest_load<std::uint32_t>(bus_, load_le(data));
    (void)fake::guest_store<std::uint32_t>(bus_, load_le(data), 7);
  }

 private:
  const IoManager& bus_;
  std::uint32_t fetched_ = 0;
};

TEST(Locked, DeviceThatTheGuestPointsAtItselfIsRefusedAndDoesNotHang) {
  IoManager bus;
  const auto dma = std::make_shared<Locked<DmaEngine>>(bus);
  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x1000, 0x1fff), dma, "dma").has_value());
  EXPECT_EQ(fake::guest_store<std::uint64_t>(bus, 0x1000, 0x1008), Dispatch::kClaimed);
  EXPECT_EQ(fake::guest_load<std::uint32_t>(bus, 0x1000), 0xffffffffu) << "the inner read saw all ones";
  EXPECT_EQ(dma->refused_reentries(), 2u);
}

TEST(Locked, WithLockCountsAsBeingInsideAHandler) {
  Locked<Counter> locked;
  EXPECT_FALSE(in_io_handler());
  locked.with_lock([](Counter&) { EXPECT_TRUE(in_io_handler()); });
  EXPECT_FALSE(in_io_handler());
}

TEST(LockedDeathTest, WithLockFromInsideTheDeviceSaysWhyItStops) {
  Locked<Counter> locked;
  EXPECT_DEATH(locked.with_lock([&](Counter&) { locked.with_lock([](Counter&) {}); }), "inside that device");
}

}  // namespace
}  // namespace keel
