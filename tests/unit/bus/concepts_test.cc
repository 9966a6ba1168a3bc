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

// A second implementation, of ports alone: a list behind one lock. It shares nothing with IoManager.
class PortList {
 public:
  class Removed {
   public:
    explicit Removed(PioEntry entry) : entry_(std::move(entry)) {}
    [[nodiscard]] const PioEntry& entry() const { return entry_; }
    [[nodiscard]] bool done() const noexcept { return true; }  // accesses hold the lock
    void wait() const {}

   private:
    PioEntry entry_;
  };

  Result<void> register_pio(PioRange range, std::shared_ptr<DevicePio> device, std::string owner) {
    const std::lock_guard lock(mutex_);
    for (const PioEntry& entry : entries_) {
      if (entry.range().overlaps(range)) return fail(ErrorCode::kOverlap, "{} is taken", range);
    }
    entries_.emplace_back(range, std::move(device), std::move(owner));
    return {};
  }
  Result<Removed> deregister_pio(PioAddress address) {
    const std::lock_guard lock(mutex_);
    const auto it = std::ranges::find_if(entries_, [&](const auto& entry) { return entry.range().contains(address); });
    if (it == entries_.end()) return fail(ErrorCode::kNotFound, "nobody at {}", address);
    Removed removed(*it);
    entries_.erase(it);
    return removed;
  }
  Result<PioEntry> find_pio(PioAddress address) const { return check_pio(address, 1); }
  Result<PioEntry> check_pio(PioAddress address, std::size_t size) const {
    const std::lock_guard lock(mutex_);
    if (const PioEntry* entry = claimer(address, size)) return *entry;
    return fail(ErrorCode::kNotFound, "nobody at {}", address);
  }
  Dispatch pio_read(PioAddress address, std::span<std::uint8_t> data) const noexcept {
    const std::lock_guard lock(mutex_);
    const PioEntry* entry = claimer(address, data.size());
    std::ranges::fill(data, std::uint8_t{0xff});
    if (!entry) return Dispatch::kUnclaimed;
    entry->device()->pio_read(entry->range().first(), address.offset_from(entry->range().first()), data);
    return Dispatch::kClaimed;
  }
  Dispatch pio_write(PioAddress address, std::span<const std::uint8_t> data) const noexcept {
    const std::lock_guard lock(mutex_);
    const PioEntry* entry = claimer(address, data.size());
    if (!entry) return Dispatch::kUnclaimed;
    entry->device()->pio_write(entry->range().first(), address.offset_from(entry->range().first()), data);
    return Dispatch::kClaimed;
  }

 private:
  const PioEntry* claimer(PioAddress address, std::size_t size) const {
    for (const PioEntry& entry : entries_) {
      const bool whole =
          size > 0 && entry.range().contains(address) && size - 1 <= entry.range().last().offset_from(address);
      if (whole) return &entry;
    }
    return nullptr;
  }

  mutable std::mutex mutex_;
  std::list<PioEntry> entries_;
};

static_assert(PioManager<PortList> && !MmioManager<PortList>);

// A VMM's platform code as somebody writes it against the contract alone.
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

template <typename M>
class AnyPioManager : public testing::Test {};
using Managers = testing::Types<IoManager, PortList>;
TYPED_TEST_SUITE(AnyPioManager, Managers);

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

}  // namespace
}  // namespace keel
