// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/io_manager.h"

#include <array>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake/bus.h"
#include "keel/bus/handler_scope.h"

namespace keel {
namespace {

using fake::guest_in;
using fake::guest_load;
using fake::guest_out;
using fake::guest_store;
using fake::RecordingDevice;
using testing::ElementsAre;

std::shared_ptr<RecordingDevice> device(std::uint64_t value = 0) {
  return std::make_shared<RecordingDevice>(value);
}

TEST(IoManager, BringsAnAccessToItsDeviceWithBaseAndOffset) {
  IoManager bus;
  const auto uart = device(0x60);
  const auto disk = device(0x74726976);
  ASSERT_TRUE(bus.register_pio(PioRange::constant(0x3f8, 0x3ff), uart, "uart").has_value());
  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0xd0000000, 0xd0000fff), disk, "blk0").has_value());

  EXPECT_EQ(guest_in<std::uint8_t>(bus, 0x3fd), 0x60);
  EXPECT_EQ(guest_out<std::uint8_t>(bus, 0x3f8, 'k'), Dispatch::kClaimed);
  EXPECT_EQ(guest_load<std::uint32_t>(bus, 0xd0000000), 0x74726976u);
  EXPECT_EQ(guest_store<std::uint64_t>(bus, 0xd0000ff8, 0x0807060504030201), Dispatch::kClaimed);

  EXPECT_THAT(uart->accesses, ElementsAre(fake::Access{0x3f8, 5, {}, 1}, fake::Access{0x3f8, 0, {'k'}, 1}));
  EXPECT_THAT(disk->accesses, ElementsAre(fake::Access{0xd0000000, 0, {}, 4},
                                          fake::Access{0xd0000000, 0xff8, {1, 2, 3, 4, 5, 6, 7, 8}, 8}));
}

TEST(IoManager, TheSameNumberOnTheTwoBusesIsTwoAddresses) {
  IoManager bus;
  const auto port = device(1);
  const auto memory = device(2);
  ASSERT_TRUE(bus.register_pio(PioRange::constant(0x100, 0x1ff), port, "port").has_value());
  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x100, 0x1ff), memory, "memory").has_value());
  EXPECT_EQ(guest_in<std::uint8_t>(bus, 0x180), 1);
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x180), 2);
}

TEST(IoManager, NobodysAddressReadsAllOnesAndWritesNowhere) {
  const IoManager bus;
  std::array<std::uint8_t, 8> data{};
  EXPECT_EQ(bus.mmio_read(MmioAddress(0x1000), data), Dispatch::kUnclaimed);
  EXPECT_THAT(data, testing::Each(0xff));
  data.fill(0);
  EXPECT_EQ(bus.pio_read(PioAddress(0x80), data), Dispatch::kUnclaimed);
  EXPECT_THAT(data, testing::Each(0xff));
  EXPECT_EQ(bus.pio_write(PioAddress(0x80), data), Dispatch::kUnclaimed);
  EXPECT_EQ(bus.mmio_write(MmioAddress(0x80), data), Dispatch::kUnclaimed);
}

TEST(IoManager, AnAccessThatStraddlesAnEndIsNobodys) {
  IoManager bus;
  const auto low = device(0);
  const auto high = device(0);
  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x1000, 0x1fff), low, "low").has_value());
  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x2000, 0x2fff), high, "high").has_value());
  EXPECT_EQ(guest_load<std::uint32_t>(bus, 0x1ffe), 0xffffffffu) << "not even where the neighbour has the rest";
  EXPECT_EQ(guest_load<std::uint32_t>(bus, 0xffe), 0xffffffffu);
  EXPECT_EQ(guest_load<std::uint16_t>(bus, 0x2fff), 0xffffu);
  EXPECT_EQ(guest_store<std::uint64_t>(bus, 0x1ff9, 0), Dispatch::kUnclaimed);
  EXPECT_TRUE(low->accesses.empty());
  EXPECT_TRUE(high->accesses.empty());
  EXPECT_EQ(guest_load<std::uint32_t>(bus, 0x1ffc), 0u) << "the last four bytes are the device's";
}

TEST(IoManager, TheTopOfEachSpaceIsAnAddressLikeAnyOther) {
  IoManager bus;
  const auto top = device(5);
  ASSERT_TRUE(bus.register_pio(PioRange::constant(0xfffc, 0xffff), top, "top").has_value());
  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(~0ull - 7, ~0ull), top, "top").has_value());
  EXPECT_EQ(guest_in<std::uint32_t>(bus, 0xfffc), 5u);
  EXPECT_EQ(guest_in<std::uint32_t>(bus, 0xfffd), 0xffffffffu);
  EXPECT_EQ(guest_in<std::uint8_t>(bus, 0xffff), 5u);
  EXPECT_EQ(guest_load<std::uint64_t>(bus, ~0ull - 7), 5u);
  EXPECT_EQ(guest_load<std::uint64_t>(bus, ~0ull - 6), ~0ull);
  EXPECT_EQ(guest_load<std::uint8_t>(bus, ~0ull), 5u);
}

TEST(IoManager, NoBytesAreNobodysEvenWhereARangeCoversTheWholeSpace) {
  IoManager bus;
  const auto all = device();
  ASSERT_TRUE(bus.register_mmio(MmioRange::all(), all, "all").has_value());
  ASSERT_TRUE(bus.register_pio(PioRange::all(), all, "all").has_value());
  EXPECT_EQ(bus.mmio_read(MmioAddress(0), {}), Dispatch::kUnclaimed);
  EXPECT_EQ(bus.mmio_write(MmioAddress(0), {}), Dispatch::kUnclaimed);
  EXPECT_EQ(bus.pio_read(PioAddress(0xffff), {}), Dispatch::kUnclaimed);
  EXPECT_TRUE(all->accesses.empty());
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0), 0);
}

TEST(IoManager, AnAccessAsLongAsItsRangeIsWhole) {
  IoManager bus;
  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x1000, 0x1fff), device(), "ram disk").has_value());
  std::vector<std::uint8_t> page(0x1000);
  EXPECT_EQ(bus.mmio_read(MmioAddress(0x1000), page), Dispatch::kClaimed);
  page.push_back(0);
  EXPECT_EQ(bus.mmio_read(MmioAddress(0x1000), page), Dispatch::kUnclaimed);
}

TEST(IoManager, OverlapNamesBothParties) {
  IoManager bus;
  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x1800, 0x27ff), device(), "net0").has_value());
  const auto refused = bus.register_mmio(MmioRange::constant(0x1000, 0x1fff), device(), "blk0");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kOverlap);
  EXPECT_EQ(refused.error().message(), R"(mmio [0x1000, 0x1fff] "blk0" overlaps [0x1800, 0x27ff] "net0")"
                                       "; deregister that first, or choose another range");
}

// Every way two ranges can share an address, on a space of eight.
TEST(IoManager, EveryPartialOverlapIsRefusedAndRoutesAsBefore) {
  for (std::uint16_t a = 0; a < 8; ++a) {
    for (std::uint16_t b = a; b < 8; ++b) {
      for (std::uint16_t c = 0; c < 8; ++c) {
        for (std::uint16_t d = c; d < 8; ++d) {
          const auto first = *PioRange::from_bounds(PioAddress(a), PioAddress(b));
          const auto second = *PioRange::from_bounds(PioAddress(c), PioAddress(d));
          IoManager bus;
          ASSERT_TRUE(bus.register_pio(first, device(1), "first").has_value());
          const bool accepted = bus.register_pio(second, device(2), "second").has_value();
          ASSERT_EQ(accepted, !first.overlaps(second)) << fmt::format("{} then {}", first, second);
          for (std::uint16_t at = 0; at < 8; ++at) {
            const PioAddress address(at);
            const int expected = first.contains(address) ? 1 : accepted && second.contains(address) ? 2 : 0xff;
            ASSERT_EQ(guest_in<std::uint8_t>(bus, at), expected);
          }
        }
      }
    }
  }
}

TEST(IoManager, ANullDeviceIsRefused) {
  IoManager bus;
  const auto refused = bus.register_pio(PioRange::constant(0x60, 0x64), nullptr, "i8042");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message(), R"(pio [0x60, 0x64] "i8042": no device given to answer there)");
}

TEST(IoManager, RegistersADeviceAtAllItsRangesOrAtNone) {
  IoManager bus;
  const auto gpu = device(9);
  const std::array ports{PioRange::constant(0x3b0, 0x3bb), PioRange::constant(0x3c0, 0x3df)};
  const std::array windows{MmioRange::constant(0xa0000, 0xbffff), MmioRange::constant(0xe0000000, 0xe0ffffff)};
  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0xe0fff000, 0xe0ffffff), device(), "thief").has_value());

  const auto refused = bus.register_device(ports, gpu, windows, gpu, "gpu");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message(),
            R"(mmio [0xe0000000, 0xe0ffffff] "gpu" overlaps [0xe0fff000, 0xe0ffffff] "thief")"
            "; deregister that first, or choose another range");
  EXPECT_TRUE(bus.pio_entries().empty());
  EXPECT_EQ(bus.mmio_entries().size(), 1u);
  EXPECT_EQ(guest_in<std::uint8_t>(bus, 0x3c0), 0xff);

  ASSERT_TRUE(bus.deregister_mmio(MmioAddress(0xe0ffffff)).has_value());
  ASSERT_TRUE(bus.register_device(ports, gpu, windows, gpu, "gpu").has_value());
  EXPECT_EQ(guest_in<std::uint8_t>(bus, 0x3c0), 9);
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0xe0ffffff), 9);
}

TEST(IoManager, RegistersByResourcesAllThatIsTrappedAndNothingElse) {
  IoManager bus;
  const auto nic = device(9);
  DeviceResources resources({
      PioResource{PioRange::constant(0x10, 0x1f)},
      MmioResource{MmioRange::constant(0xd000'0000, 0xd000'0fff)},
      LegacyIrqResource{Gsi(5)},
      MsiResource{MsiKind::kPciMsix, IdRange<Gsi>::constant(24, 25)},
      BackedMmioResource{MmioRange::constant(0xe000'0000, 0xe000'0fff), MemorySlot(1)},
      GuestMemoryResource{GuestRange::constant(0xf000'0000, 0xf000'0fff)},
      MemorySlotResource{IdRange<MemorySlot>::constant(2, 3)},
      MacAddressResource{MacAddress::parse("52:54:00:12:34:56").value()},
      PioResource{PioRange::constant(0x30, 0x3f)},
  });
  ASSERT_TRUE(bus.register_pio(PioRange::constant(0x3f, 0x3f), device(), "thief").has_value());
  EXPECT_EQ(bus.register_device(resources, nic, nic, "net0").error().code(), ErrorCode::kOverlap);
  EXPECT_EQ(bus.pio_entries().size(), 1u);
  EXPECT_TRUE(bus.mmio_entries().empty());

  ASSERT_TRUE(bus.deregister_pio(PioAddress(0x3f)).has_value());
  ASSERT_TRUE(bus.register_device(resources, nic, nic, "net0").has_value());
  EXPECT_EQ(bus.pio_entries().size(), 2u);
  EXPECT_EQ(bus.mmio_entries().size(), 1u);
  EXPECT_EQ(guest_in<std::uint8_t>(bus, 0x3f), 9);
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0xd000'0fff), 9);
  EXPECT_EQ(guest_load<std::uint8_t>(bus, 0xe000'0000), 0xff) << "memory answers there, not a device";

  DeviceResources more = resources;
  more.add(MmioResource{MmioRange::constant(0xd000'1000, 0xd000'1fff)});
  EXPECT_EQ(bus.deregister_device(more).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(guest_in<std::uint8_t>(bus, 0x10), 9) << "all of it is still there";
  const auto gone = bus.deregister_device(resources);
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(gone->wait(), Completion::Wait::kDone);
  EXPECT_TRUE(bus.pio_entries().empty());
  EXPECT_TRUE(bus.mmio_entries().empty());
}

TEST(IoManager, RegistersByResourcesOnlyWhereADeviceAnswers) {
  IoManager bus;
  const DeviceResources irq_alone({LegacyIrqResource{Gsi(5)}});
  EXPECT_TRUE(bus.register_device(irq_alone, nullptr, nullptr, "timer").has_value());
  EXPECT_TRUE(bus.deregister_device(irq_alone).has_value());
  const DeviceResources port({PioResource{PioRange::constant(0x10, 0x1f)}});
  EXPECT_EQ(bus.register_device(port, nullptr, device(), "uart").error().code(), ErrorCode::kInvalidArgument);
}

TEST(IoManager, ADeviceThatOverlapsItselfIsRefusedWhole) {
  IoManager bus;
  const std::array ports{PioRange::constant(0x10, 0x1f), PioRange::constant(0x1f, 0x2f)};
  const auto refused = bus.register_device(ports, device(), {}, nullptr, "twice");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message(), R"(pio [0x1f, 0x2f] "twice" overlaps [0x10, 0x1f] "twice")"
                                       "; deregister that first, or choose another range");
  EXPECT_TRUE(bus.pio_entries().empty());
}

TEST(IoManager, DeregistersADeviceFromAllItsRangesOrFromNone) {
  IoManager bus;
  const auto gpu = device(9);
  const std::array ports{PioRange::constant(0x3b0, 0x3bb), PioRange::constant(0x3c0, 0x3df)};
  const std::array windows{MmioRange::constant(0xa0000, 0xbffff)};
  ASSERT_TRUE(bus.register_device(ports, gpu, windows, gpu, "gpu").has_value());

  const std::array wrong{MmioRange::constant(0xa0000, 0xaffff)};
  const auto refused = bus.deregister_device(ports, wrong);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message(), R"(mmio [0xa0000, 0xaffff] is not registered; [0xa0000, 0xbffff] "gpu" is)");
  EXPECT_EQ(bus.pio_entries().size(), 2u);

  const auto completion = bus.deregister_device(ports, windows);
  ASSERT_TRUE(completion.has_value());
  EXPECT_EQ(completion->wait(), Completion::Wait::kDone);
  EXPECT_TRUE(completion->done());
  EXPECT_TRUE(bus.pio_entries().empty());
  EXPECT_TRUE(bus.mmio_entries().empty());
  EXPECT_EQ(gpu.use_count(), 1) << "at rest, and released";
}

TEST(IoManager, DeregistersByAnyAddressInside) {
  for (const std::uint64_t inside : {0x1000ull, 0x1001ull, 0x1fffull}) {
    IoManager bus;
    const auto disk = device(4);
    ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x1000, 0x1fff), disk, "blk0").has_value());
    EXPECT_FALSE(bus.deregister_mmio(MmioAddress(0xfff)).has_value());
    EXPECT_FALSE(bus.deregister_mmio(MmioAddress(0x2000)).has_value());

    const auto removal = bus.deregister_mmio(MmioAddress(inside));
    ASSERT_TRUE(removal.has_value());
    EXPECT_EQ(removal->range(), MmioRange::constant(0x1000, 0x1fff));
    EXPECT_EQ(removal->owner(), "blk0");
    EXPECT_EQ(removal->device(), disk);
    EXPECT_EQ(removal->wait(), Completion::Wait::kDone);
    EXPECT_TRUE(removal->done());
    EXPECT_EQ(guest_load<std::uint8_t>(bus, 0x1000), 0xff);

    const auto again = bus.deregister_mmio(MmioAddress(inside));
    ASSERT_FALSE(again.has_value());
    EXPECT_EQ(again.error().code(), ErrorCode::kNotFound);
  }
}

TEST(IoManager, FindsTheEntryAndSaysWhatIsNearWhereThereIsNone) {
  IoManager bus;
  const auto rtc = device();
  ASSERT_TRUE(bus.register_pio(PioRange::constant(0x70, 0x71), rtc, "rtc").has_value());
  ASSERT_TRUE(bus.register_pio(PioRange::constant(0x3f8, 0x3ff), device(), "uart").has_value());
  const auto found = bus.find_pio(PioAddress(0x71));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->range(), PioRange::constant(0x70, 0x71));
  EXPECT_EQ(found->device(), rtc);

  const auto missing = bus.find_pio(PioAddress(0x80));
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().message(),
            R"(pio 0x80: nothing is registered there; below it [0x70, 0x71] "rtc", above it [0x3f8, 0x3ff] "uart")");
  EXPECT_EQ(bus.find_mmio(MmioAddress(0x70)).error().message(),
            "mmio 0x70: nothing is registered there; below it nothing, above it nothing");
}

TEST(IoManager, ChecksAWholeAccess) {
  IoManager bus;
  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x1000, 0x1fff), device(), "blk0").has_value());
  EXPECT_TRUE(bus.check_mmio(MmioAddress(0x1ffc), 4).has_value());
  const auto straddling = bus.check_mmio(MmioAddress(0x1ffe), 4);
  ASSERT_FALSE(straddling.has_value());
  EXPECT_EQ(straddling.error().code(), ErrorCode::kOutOfBounds);
  EXPECT_EQ(straddling.error().message(),
            R"(mmio 0x1ffe: an access of 4 bytes passes the end of [0x1000, 0x1fff] "blk0")");
  EXPECT_EQ(bus.check_mmio(MmioAddress(0x1000), 0).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(bus.check_mmio(MmioAddress(0x2000), 1).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(bus.check_pio(PioAddress(0x1000), 1).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(bus.check_mmio(MmioAddress(0x1001), ~0ull).error().code(), ErrorCode::kOutOfBounds);
}

TEST(IoManager, ListsItsEntriesInAscendingOrder) {
  IoManager bus;
  for (const PioAddress base : {PioAddress(0x300), PioAddress(0x100), PioAddress(0x200)}) {
    ASSERT_TRUE(bus.register_pio(*PioRange::from_size(base, 8), device(), "").has_value());
  }
  std::vector<unsigned> bases;
  for (const PioEntry& entry : bus.pio_entries()) bases.push_back(entry.range().first().value());
  EXPECT_THAT(bases, ElementsAre(0x100, 0x200, 0x300));
}

TEST(IoManager, AreEqualWithTheSameRangesAndDevices) {
  const auto a = device();
  const auto b = device();
  const auto make = [](const auto& first, const auto& second, IoManager& bus) {
    ASSERT_TRUE(bus.register_pio(PioRange::constant(0x10, 0x1f), first, "x").has_value());
    ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x10, 0x1f), second, "y").has_value());
  };
  IoManager one, same, swapped, fewer;
  make(a, b, one);
  make(a, b, same);
  make(b, a, swapped);
  EXPECT_TRUE(one == same);
  EXPECT_FALSE(one == swapped);
  EXPECT_FALSE(one == fewer);
  ASSERT_TRUE(same.deregister_mmio(MmioAddress(0x10)).has_value());
  EXPECT_FALSE(one == same);
}

TEST(IoManager, AHandlerMayDispatchAgain) {
  IoManager bus;
  const auto inner = device(3);
  std::uint8_t seen = 0;
  const auto outer = std::make_shared<fake::HandlerDevice>([&] {
    EXPECT_TRUE(in_io_handler());
    seen = guest_load<std::uint8_t>(bus, 0x2000);
    EXPECT_TRUE(in_io_handler()) << "still in the outer handler";
  });
  ASSERT_TRUE(bus.register_pio(PioRange::constant(0x10, 0x10), outer, "outer").has_value());
  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0x2000, 0x2000), inner, "inner").has_value());
  (void)guest_out<std::uint8_t>(bus, 0x10, 0);
  EXPECT_EQ(seen, 3);
  EXPECT_FALSE(in_io_handler());
}

TEST(IoManager, ADeviceThatRemovesItselfFinishesItsAccessAndIsThenReleased) {
  IoManager bus;
  std::optional<PioRemoval> removal;
  auto self = std::make_shared<fake::HandlerDevice>([&] {
    removal = bus.deregister_pio(PioAddress(0x10)).value();
    EXPECT_EQ(removal->wait(), Completion::Wait::kDeferred);
    EXPECT_FALSE(removal->done()) << "this very access is inside it";
  });
  const std::weak_ptr<fake::HandlerDevice> alive = self;
  ASSERT_TRUE(bus.register_pio(PioRange::constant(0x10, 0x10), std::move(self), "self").has_value());
  EXPECT_EQ(guest_out<std::uint8_t>(bus, 0x10, 0), Dispatch::kClaimed);
  EXPECT_EQ(removal->wait(), Completion::Wait::kDone);
  EXPECT_TRUE(removal->done());
  EXPECT_FALSE(alive.expired()) << "the removal holds it";
  removal.reset();
  EXPECT_TRUE(alive.expired());
}

}  // namespace
}  // namespace keel
