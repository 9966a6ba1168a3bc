// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/concepts.h"

#include <algorithm>
#include <list>
#include <mutex>

#include <gtest/gtest.h>

#include "fake/bus.h"

namespace keel {
namespace {

static_assert(PioManager<IoManager> && MmioManager<IoManager>);
static_assert(!PioManager<int> && !MmioManager<fake::RecordingDevice>);

// A second implementation, of each bus alone: a list behind one lock. It shares nothing with IoManager.
template <typename A>
class List {
 public:
  using Entry = BusEntry<A>;

  class Removed {
   public:
    explicit Removed(Entry entry) : entry_(std::move(entry)) {}
    [[nodiscard]] const Entry& entry() const { return entry_; }
    [[nodiscard]] bool done() const noexcept { return true; }  // accesses hold the lock
    void wait() const {}

   private:
    Entry entry_;
  };

  Result<void> add(Entry added) {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_) {
      if (entry.range().overlaps(added.range())) return fail(ErrorCode::kOverlap, "{} is taken", added.range());
    }
    entries_.push_back(std::move(added));
    return {};
  }
  Result<Removed> remove(A address) {
    const std::lock_guard lock(mutex_);
    const auto it = std::ranges::find_if(entries_, [&](const auto& entry) { return entry.range().contains(address); });
    if (it == entries_.end()) return fail(ErrorCode::kNotFound, "nobody at {}", address);
    Removed removed(*it);
    entries_.erase(it);
    return removed;
  }
  Result<Entry> check(A address, std::size_t size) const {
    const std::lock_guard lock(mutex_);
    if (const Entry* entry = claimer(address, size)) return *entry;
    return fail(ErrorCode::kNotFound, "nobody at {}", address);
  }
  // access(device, base, offset) of who claims all of it.
  template <typename F>
  Dispatch dispatch(A address, std::size_t size, F access) const noexcept {
    const std::lock_guard lock(mutex_);
    const Entry* entry = claimer(address, size);
    if (!entry) return Dispatch::kUnclaimed;
    access(*entry->device(), entry->range().first(), address.offset_from(entry->range().first()));
    return Dispatch::kClaimed;
  }

 private:
  const Entry* claimer(A address, std::size_t size) const {
    for (const Entry& entry : entries_) {
      const bool whole =
          size > 0 && entry.range().contains(address) && size - 1 <= entry.range().last().offset_from(address);
      if (whole) return &entry;
    }
    return nullptr;
  }

  mutable std::mutex mutex_;
  std::list<Entry> entries_;
};

class PortList {
 public:
  Result<void> register_pio(PioRange range, std::shared_ptr<DevicePio> device, std::string owner) {
    return list_.add({range, std::move(device), std::move(owner)});
  }
  Result<List<PioAddress>::Removed> deregister_pio(PioAddress address) { return list_.remove(address); }
  Result<PioEntry> find_pio(PioAddress address) const { return list_.check(address, 1); }
  Result<PioEntry> check_pio(PioAddress address, std::size_t size) const { return list_.check(address, size); }
  Dispatch pio_read(PioAddress address, std::span<std::uint8_t> data) const noexcept {
    std::ranges::fill(data, std::uint8_t{0xff});
    return list_.dispatch(address, data.size(),
                          [data](DevicePio& device, auto base, auto offset) { device.pio_read(base, offset, data); });
  }
  Dispatch pio_write(PioAddress address, std::span<const std::uint8_t> data) const noexcept {
    return list_.dispatch(address, data.size(),
                          [data](DevicePio& device, auto base, auto offset) { device.pio_write(base, offset, data); });
  }

 private:
  List<PioAddress> list_;
};

class WindowList {
 public:
  Result<void> register_mmio(MmioRange range, std::shared_ptr<DeviceMmio> device, std::string owner) {
    return list_.add({range, std::move(device), std::move(owner)});
  }
  Result<List<MmioAddress>::Removed> deregister_mmio(MmioAddress address) { return list_.remove(address); }
  Result<MmioEntry> find_mmio(MmioAddress address) const { return list_.check(address, 1); }
  Result<MmioEntry> check_mmio(MmioAddress address, std::size_t size) const { return list_.check(address, size); }
  Dispatch mmio_read(MmioAddress address, std::span<std::uint8_t> data) const noexcept {
    std::ranges::fill(data, std::uint8_t{0xff});
    return list_.dispatch(address, data.size(),
                          [data](DeviceMmio& device, auto base, auto offset) { device.mmio_read(base, offset, data); });
  }
  Dispatch mmio_write(MmioAddress address, std::span<const std::uint8_t> data) const noexcept {
    return list_.dispatch(address, data.size(), [data](DeviceMmio& device, auto base, auto offset) {
      device.mmio_write(base, offset, data);
    });
  }

 private:
  List<MmioAddress> list_;
};

static_assert(PioManager<PortList> && !MmioManager<PortList>);
static_assert(MmioManager<WindowList> && !PioManager<WindowList>);

// A VMM's platform code as somebody writes it against the contracts alone.
template <PioManager M>
Result<PioEntry> replace_uart(M& ports, std::shared_ptr<DevicePio> uart) {
  auto removed = ports.deregister_pio(PioAddress(0x3f9));
  if (!removed) return std::unexpected(removed.error());
  removed->wait();
  if (!removed->done()) return fail(ErrorCode::kInvalidState, "the old uart is still busy");
  auto registered = ports.register_pio(removed->entry().range(), std::move(uart), "new uart");
  if (!registered) return std::unexpected(registered.error());
  return ports.find_pio(PioAddress(0x3ff));
}

template <MmioManager M>
Result<MmioEntry> move_disk(M& windows, MmioAddress from, MmioRange to) {
  auto removed = windows.deregister_mmio(from);
  if (!removed) return std::unexpected(removed.error());
  removed->wait();
  if (!removed->done()) return fail(ErrorCode::kInvalidState, "the disk is still busy where it was");
  auto registered = windows.register_mmio(to, removed->entry().device(), removed->entry().owner());
  if (!registered) return std::unexpected(registered.error());
  return windows.find_mmio(to.last());
}

template <typename M>
class AnyPioManager : public testing::Test {};
using PioManagers = testing::Types<IoManager, PortList>;
TYPED_TEST_SUITE(AnyPioManager, PioManagers);

TYPED_TEST(AnyPioManager, ServesCodeWrittenAgainstTheContract) {
  TypeParam ports;
  const auto old_uart = std::make_shared<fake::RecordingDevice>(0x11);
  const auto new_uart = std::make_shared<fake::RecordingDevice>(0x22);
  ASSERT_TRUE(ports.register_pio(PioRange::constant(0x3f8, 0x3ff), old_uart, "uart").has_value());
  EXPECT_EQ(fake::guest_in<std::uint8_t>(ports, 0x3fd), 0x11);

  const auto entry = replace_uart(ports, new_uart);
  ASSERT_TRUE(entry.has_value()) << entry.error().message();
  EXPECT_EQ(entry->device(), new_uart);
  EXPECT_EQ(fake::guest_in<std::uint8_t>(ports, 0x3fd), 0x22);
  EXPECT_EQ(fake::guest_out<std::uint32_t>(ports, 0x3fd, 0), Dispatch::kUnclaimed) << "passes the end";
  EXPECT_FALSE(ports.check_pio(PioAddress(0x3fd), 4).has_value());
  EXPECT_EQ(old_uart->accesses.size(), 1u);
}

template <typename M>
class AnyMmioManager : public testing::Test {};
using MmioManagers = testing::Types<IoManager, WindowList>;
TYPED_TEST_SUITE(AnyMmioManager, MmioManagers);

TYPED_TEST(AnyMmioManager, ServesCodeWrittenAgainstTheContract) {
  TypeParam windows;
  const auto disk = std::make_shared<fake::RecordingDevice>(0x74726976);
  const auto rival = std::make_shared<fake::RecordingDevice>(0);
  ASSERT_TRUE(windows.register_mmio(MmioRange::constant(0xd000'0000, 0xd000'0fff), disk, "blk0").has_value());
  ASSERT_TRUE(windows.register_mmio(MmioRange::constant(0xd000'2000, 0xd000'2fff), rival, "net0").has_value());
  EXPECT_FALSE(windows.register_mmio(MmioRange::constant(0xd000'2fff, 0xd000'3fff), disk, "late").has_value());
  EXPECT_EQ(fake::guest_load<std::uint32_t>(windows, 0xd000'0ffc), 0x74726976u);

  const auto entry = move_disk(windows, MmioAddress(0xd000'0800), MmioRange::constant(0xffff'f000, 0xffff'ffff));
  ASSERT_TRUE(entry.has_value()) << entry.error().message();
  EXPECT_EQ(entry->device(), disk);
  EXPECT_EQ(entry->owner(), "blk0");
  EXPECT_EQ(fake::guest_load<std::uint32_t>(windows, 0xd000'0ffc), 0xffffffffu) << "nobody is there any more";
  EXPECT_EQ(fake::guest_store<std::uint64_t>(windows, 0xffff'fff8, 0x42), Dispatch::kClaimed);
  EXPECT_EQ(fake::guest_store<std::uint64_t>(windows, 0xffff'fffc, 0x42), Dispatch::kUnclaimed) << "passes the end";
  EXPECT_FALSE(windows.check_mmio(MmioAddress(0xffff'fffc), 8).has_value());
  EXPECT_EQ(disk->accesses.size(), 2u);
  EXPECT_EQ(disk->accesses.back().offset, 0xff8u);
  EXPECT_TRUE(rival->accesses.empty());
}

}  // namespace
}  // namespace keel
