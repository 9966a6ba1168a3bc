// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// What the way of an access promises besides reaching the device: it allocates nothing, threads need no ceremony and
// leave nothing behind, managers do not mix, and recursion ends.

#include <cstdlib>
#include <fstream>
#include <memory>
#include <new>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "fake/bus.h"
#include "fake/threads.h"
#include "keel/bus/io_manager.h"
#include "keel/bus/locked.h"

namespace {

thread_local std::uint64_t allocations = 0;

}  // namespace

// ThreadSanitizer brings an operator new of its own; the other builds count.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KEEL_TEST_CANNOT_COUNT
#endif
#endif

#ifndef KEEL_TEST_CANNOT_COUNT
void* operator new(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
#endif

namespace keel {
namespace {

using fake::guest_in;
using fake::guest_load;
using fake::guest_out;
using fake::guest_store;

// Remembers nothing, so that it allocates nothing.
class Constant : public DevicePio, public DeviceMmio {
 public:
  explicit Constant(std::uint32_t value) : value_(value) {}
  void pio_read(PioAddress, std::uint16_t, std::span<std::uint8_t> data) override { store_le(data, value_); }
  void pio_write(PioAddress, std::uint16_t, std::span<const std::uint8_t>) override {}
  void mmio_read(MmioAddress, std::uint64_t, std::span<std::uint8_t> data) override { store_le(data, value_); }
  void mmio_write(MmioAddress, std::uint64_t, std::span<const std::uint8_t>) override {}

 private:
  const std::uint32_t value_;
};

void expect_port(const IoManager& bus, std::uint8_t value) {
  EXPECT_EQ(guest_in<std::uint8_t>(bus, 0x10), value);
}

std::unique_ptr<IoManager> machine_with(std::uint32_t value) {
  auto bus = std::make_unique<IoManager>();
  const auto device = std::make_shared<Constant>(value);
  EXPECT_TRUE(bus->register_pio(PioRange::constant(0x10, 0x1f), device, "constant").has_value());
  EXPECT_TRUE(bus->register_mmio(MmioRange::constant(0x1000, 0x1fff), device, "constant").has_value());
  return bus;
}

TEST(IoDispatch, AllocatesNothingAfterAThreadsFirstAccess) {
  const auto bus = machine_with(1);
  std::jthread([&] {
    bus->name_this_thread("vcpu0");
    const std::uint64_t before = allocations;
    for (std::uint32_t i = 0; i < 10'000; ++i) {
      (void)guest_in<std::uint32_t>(*bus, 0x10);
      (void)guest_out<std::uint32_t>(*bus, 0x14, i);
      (void)guest_load<std::uint32_t>(*bus, 0x1ffc);
      (void)guest_store<std::uint32_t>(*bus, 0x1ffe, i);     // straddles
      (void)guest_load<std::uint64_t>(*bus, 0x4000ull * i);  // nobody's, and another one each time
    }
    EXPECT_EQ(allocations, before);
  }).join();
}

TEST(IoDispatch, AllocatesNothingWhileDevicesComeAndGo) {
  const auto bus = machine_with(1);
  std::jthread([&] {
    bus->name_this_thread("vcpu0");
    for (int i = 0; i < 200; ++i) {
      std::jthread([&] {
        ASSERT_TRUE(
            bus->register_pio(PioRange::constant(0x80, 0x80), std::make_shared<Constant>(2), "hot").has_value());
      }).join();
      const std::uint64_t before = allocations;
      EXPECT_EQ(guest_in<std::uint8_t>(*bus, 0x80), 2) << "a range the thread has never seen";
      EXPECT_EQ(allocations, before);
      ASSERT_TRUE(bus->deregister_pio(PioAddress(0x80)).has_value());
    }
  }).join();
}

TEST(IoDispatch, TwoManagersInOneThreadKeepTheirAccessesApart) {
  const auto one = machine_with(1);
  const auto two = machine_with(2);
  for (int i = 0; i < 100; ++i) {
    expect_port(*one, 1);
    expect_port(*two, 2);
    expect_port(*two, 2);
  }
  EXPECT_EQ(one->ledger().pio.ranges[0].traffic.reads.count, 100u);
  EXPECT_EQ(two->ledger().pio.ranges[0].traffic.reads.count, 200u);
}

TEST(IoDispatch, AManagerMadeWhereAnotherWasKnowsNothingOfIt) {
  for (std::uint32_t i = 0; i < 100; ++i) {
    const auto bus = machine_with(i);
    expect_port(*bus, static_cast<std::uint8_t>(i));
    EXPECT_EQ(bus->ledger().pio.ranges[0].traffic.reads.count, 1u);
  }
}

TEST(IoDispatch, ADeviceMayDispatchIntoAnotherManager) {
  const auto inner = machine_with(7);
  IoManager outer;
  const auto bridge = std::make_shared<fake::HandlerDevice>([&] { expect_port(*inner, 7); });
  ASSERT_TRUE(outer.register_pio(PioRange::constant(0x20, 0x20), bridge, "bridge").has_value());
  for (int i = 0; i < 300; ++i) (void)guest_out<std::uint8_t>(outer, 0x20, 0);
  EXPECT_EQ(outer.ledger().pio.ranges[0].traffic.writes.count, 300u);
  EXPECT_EQ(inner->ledger().pio.ranges[0].traffic.reads.count, 300u);
}

// The threads of this process, and its mappings, which is where a leftover would show.
std::size_t lines_of(const char* file) {
  std::ifstream stream(file);
  std::size_t lines = 0;
  for (std::string line; std::getline(stream, line);) ++lines;
  return lines;
}

TEST(IoDispatch, ThreadsLeaveNothingBehind) {
  const auto bus = machine_with(1);
  const auto use = [&] { std::jthread([&] { expect_port(*bus, 1); }).join(); };
  for (int i = 0; i < 10; ++i) use();
  const std::size_t mappings = lines_of("/proc/self/maps");
  for (int i = 0; i < 200; ++i) use();
  EXPECT_LT(lines_of("/proc/self/maps"), mappings + 20);
  EXPECT_EQ(bus->ledger().threads.size(), 1u) << "only the line of those that have ended";
  EXPECT_EQ(bus->ledger().pio.ranges[0].traffic.reads.count, 210u);
  // None of them is waited for.
  const fake::Watchdog watchdog("a grace period after threads ended");
  EXPECT_EQ(bus->deregister_pio(PioAddress(0x10)).value().wait(), Completion::Wait::kDone);
}

TEST(IoDispatch, AThreadMayOutliveTheManager) {
  fake::Gate used, gone;
  auto bus = machine_with(1);
  std::jthread thread([&] {
    expect_port(*bus, 1);
    used.open();
    gone.pass();
    const auto next = machine_with(2);
    expect_port(*next, 2);
  });
  used.pass();
  bus.reset();
  gone.open();
}

// Thread-locals are destroyed one after the other; one that is destroyed late may still access a device.
struct AccessAtThreadEnd {
  const IoManager* bus = nullptr;
  ~AccessAtThreadEnd() {
    if (bus != nullptr) {
      expect_port(*bus, 1);
      expect_port(*bus, 1);
    }
  }
};
thread_local AccessAtThreadEnd at_thread_end;

TEST(IoDispatch, WorksWhileAThreadsLocalsAreBeingDestroyed) {
  const auto bus = machine_with(1);
  std::jthread([&] {
    at_thread_end.bus = bus.get();  // made before the bus's own thread-locals, so destroyed after them
    expect_port(*bus, 1);
  }).join();
  EXPECT_EQ(bus->ledger().pio.ranges[0].traffic.reads.count, 3u);
  EXPECT_EQ(bus->ledger().threads.size(), 1u);
}

TEST(IoDispatch, RecursionEndsAndIsCounted) {
  IoManager bus;
  std::size_t deepest = 0, depth = 0;
  const auto device = std::make_shared<fake::HandlerDevice>([&] {
    deepest = std::max(deepest, ++depth);
    (void)guest_out<std::uint8_t>(bus, 0x10, 0);  // a guest made a device write to itself
    --depth;
  });
  ASSERT_TRUE(bus.register_pio(PioRange::constant(0x10, 0x10), device, "").has_value());
  EXPECT_EQ(guest_out<std::uint8_t>(bus, 0x10, 0), Dispatch::kClaimed);
  EXPECT_EQ(deepest, IoManager::kMaxNesting);
  EXPECT_EQ(bus.ledger().too_deep, 1u);
  EXPECT_EQ(bus.ledger().pio.unclaimed_writes, 1u);
}

}  // namespace
}  // namespace keel
