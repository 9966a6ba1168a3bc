// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/system_allocator.h"

#include <optional>
#include <random>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fail_at_step.h"

namespace keel {
namespace {

SystemConfig small_machine() {
  return {
      .pio = PioRange::all(),
      .mmio_low = MmioRange::constant(0xd000'0000, 0xd000'ffff),
      .mmio_high = MmioRange::constant(0x10'0000'0000, 0x10'ffff'ffff),
      .guest_memory = GuestRange::constant(0x20'0000'0000, 0x2f'ffff'ffff),
      .legacy_irqs = IdRange<Gsi>::constant(5, 7),
      .msi = IdRange<Gsi>::constant(24, 31),
      .memory_slots = IdRange<MemorySlot>::constant(0, 3),
  };
}

SystemAllocator<> machine(FaultInjector* faults = nullptr) {
  return SystemAllocator<>::create(small_machine(), faults).value();
}

MmioRange mmio(std::uint64_t first, std::uint64_t last) {
  return *MmioRange::from_bounds(MmioAddress(first), MmioAddress(last));
}

const ResourceConstraints kOneOfEach{
    PioConstraint{.size = 8},
    MmioConstraint{.size = 0x1000},
    MmioConstraint{.size = 0x2000, .place = MmioPlace::kAbove4GiB, .backing = MmioBacking::kMemory},
    GuestMemoryConstraint{.size = 0x1000},
    LegacyIrqConstraint{},
    MsiConstraint{.kind = MsiKind::kPciMsi},
    MsiConstraint{.kind = MsiKind::kPciMsix, .count = 2},
    MsiConstraint{},
    MemorySlotConstraint{.count = 2},
};

template <typename T>
std::string message(const Result<T>& result) {
  return result ? "success" : result.error().message();
}

TEST(SystemAllocator, TurnsConstraintsIntoResourcesOneByOne) {
  SystemAllocator<> system = machine();
  const auto grant = system.allocate(kOneOfEach, "net0").value();
  EXPECT_EQ(grant.id(), InstanceId(1));
  EXPECT_EQ(grant.owner(), "net0");
  EXPECT_EQ(to_string(grant.resources()),
            "pio [0x0, 0x7], mmio [0xd0000000, 0xd0000fff], memory-backed mmio [0x1000000000, 0x1000001fff] slot 0, "
            "guest memory [0x2000000000, 0x2000000fff], irq 5, pci-msi gsi 24, pci-msix gsis [25, 26], msi gsi 27, "
            "memory slots [1, 2]");
  EXPECT_EQ(system.holdings(), (std::vector{Holding{InstanceId(1), "net0", grant.resources()}}));
  EXPECT_TRUE(
      system.inspect([](const SystemSpaces& spaces) { return spaces.pio->find(PioAddress(7))->owner == "net0"; }));
}

TEST(SystemAllocator, AnIrqMayBeAskedForWithinBounds) {
  SystemAllocator<> system = machine();
  const LegacyIrqConstraint upper{.within = IdRange<Gsi>::constant(6, 23)};
  const auto first = system.allocate({upper}, "blk0").value();
  EXPECT_EQ(first.resources().legacy_irq(), Gsi(6));
  const auto second = system.allocate({upper}, "blk1").value();
  EXPECT_EQ(second.resources().legacy_irq(), Gsi(7));
  EXPECT_EQ(
      system.allocate({upper}, "blk2").error().message(),
      "\"blk2\": IRQ, resource 0 (any irq in [6, 23]) failed: no irq is left: all 2 of [6, 7] are taken; free one "
      "or widen the range; held by: 6 \"blk0\", 7 \"blk1\"");
  EXPECT_TRUE(system.allocate({LegacyIrqConstraint{}}, "com1").has_value());
}

TEST(SystemAllocator, GivesEverythingBackWhenTheGrantGoes) {
  SystemAllocator<> system = machine();
  const SystemSnapshot empty = system.snapshot();
  auto net = system.allocate(kOneOfEach, "net0").value();
  const SystemSnapshot with_net = system.snapshot();
  {
    const auto com =
        system.allocate({PioConstraint::exactly(PioRange::constant(0x3f8, 0x3ff)), LegacyIrqConstraint{.gsi = Gsi(6)}},
                        "com1", InstanceId(9));
    EXPECT_EQ(com->id(), InstanceId(9));
    EXPECT_NE(system.snapshot(), with_net);
  }
  EXPECT_EQ(system.snapshot(), with_net);
  Grant<> moved = std::move(net);
  EXPECT_FALSE(net);  // NOLINT(bugprone-use-after-move): what a moved-from grant is, is part of its contract
  EXPECT_EQ(system.snapshot(), with_net);
  moved = Grant<>();
  EXPECT_EQ(system.snapshot(), empty);
}

TEST(SystemAllocator, GrantsOutliveIt) {
  std::optional<SystemAllocator<>> system = machine();
  auto grant = system->allocate(kOneOfEach, "net0").value();
  system.reset();
  EXPECT_TRUE(grant.give_back(grant.resources().all().front()));
  grant.reset();
}

TEST(SystemAllocator, PicksTheMmioWindow) {
  SystemAllocator<> system = machine();
  const auto first = [&system](const MmioConstraint& constraint) {
    const auto grant = system.allocate({constraint}, "dev");
    return grant ? grant->resources().mmio().front().first().value() : 0;
  };
  EXPECT_EQ(first({.size = 0x1000}), 0xd000'0000u);
  EXPECT_EQ(first({.size = 0x1000, .match = Match::kLast}), 0xd000'f000u);
  EXPECT_EQ(first({.size = 0x1000, .place = MmioPlace::kAbove4GiB}), 0x10'0000'0000u);
  EXPECT_EQ(first({.size = 0x1000, .place = MmioPlace::kPreferAbove}), 0x10'0000'0000u);
  EXPECT_EQ(first({.size = 0x1000, .within = mmio(0, 0xd000'ffff), .place = MmioPlace::kPreferAbove}), 0xd000'0000u);
  EXPECT_EQ(first({.size = 0x1000, .within = mmio(0x10'0000'1000, ~0ull)}), 0x10'0000'1000u);
  EXPECT_EQ(first({.size = 0x1000, .within = mmio(0xd000'2000, ~0ull)}), 0xd000'2000u);
  EXPECT_EQ(first({.size = 0x20000}), 0u);  // too large for the window below 4 GiB, and not asked for above it
  EXPECT_EQ(first({.size = 0x20000, .place = MmioPlace::kPreferAbove}), 0x10'0000'0000u);
}

// Bounds, alignment, match and size of every kind that has an address, as one device after another asks for them.
TEST(SystemAllocator, HonoursBoundsAlignmentAndMatchOfEveryKind) {
  const auto pio = [](std::uint16_t first, std::uint16_t last) {
    return *PioRange::from_bounds(PioAddress(first), PioAddress(last));
  };
  const auto memory = [](std::uint64_t first, std::uint64_t last) {
    return *GuestRange::from_bounds(GuestAddress(first), GuestAddress(last));
  };
  const std::pair<ResourceConstraint, std::string> rows[] = {
      {PioConstraint{.size = 3}, "pio [0x0, 0x2]"},
      {PioConstraint{.size = 3}, "pio [0x3, 0x5]"},  // aligned to 1
      {PioConstraint{.size = 8, .alignment = 8}, "pio [0x8, 0xf]"},
      {PioConstraint{.size = 8, .match = Match::kLast}, "pio [0xfff8, 0xffff]"},
      {PioConstraint{.size = 3, .alignment = 4, .match = Match::kLast}, "pio [0xfff4, 0xfff6]"},
      {PioConstraint{.size = 4, .within = pio(0x101, 0x1ff)}, "pio [0x101, 0x104]"},
      {PioConstraint{.size = 4, .alignment = 4, .within = pio(0x101, 0x1ff)}, "pio [0x108, 0x10b]"},
      {PioConstraint{.size = 4, .alignment = 4, .within = pio(0x101, 0x1fe), .match = Match::kLast},
       "pio [0x1f8, 0x1fb]"},
      {PioConstraint{.size = 1, .within = pio(0x101, 0x104)}, "nothing"},
      {MmioConstraint{.size = 0x800}, "mmio [0xd0000000, 0xd00007ff]"},
      {MmioConstraint{.size = 0x800}, "mmio [0xd0001000, 0xd00017ff]"},  // aligned to a page
      {MmioConstraint{.size = 0x800, .match = Match::kLast}, "mmio [0xd000f000, 0xd000f7ff]"},
      {MmioConstraint{.size = 0x100, .alignment = 0x100, .within = mmio(0xd000'0001, 0xd000'ffff)},
       "mmio [0xd0000800, 0xd00008ff]"},
      {GuestMemoryConstraint{.size = 0x800}, "guest memory [0x2000000000, 0x20000007ff]"},
      {GuestMemoryConstraint{.size = 0x800}, "guest memory [0x2000001000, 0x20000017ff]"},  // aligned to a page
      {GuestMemoryConstraint{.size = 0x4000'0000, .alignment = 0x4000'0000},
       "guest memory [0x2040000000, 0x207fffffff]"},
      {GuestMemoryConstraint{.size = 0x1000, .match = Match::kLast}, "guest memory [0x2ffffff000, 0x2fffffffff]"},
      {GuestMemoryConstraint{.size = 0x1000, .alignment = 0x20'0000, .match = Match::kLast},
       "guest memory [0x2fffe00000, 0x2fffe00fff]"},
      {GuestMemoryConstraint{.size = 0x1000, .within = memory(0x21'0000'0001, 0x21'0000'ffff)},
       "guest memory [0x2100001000, 0x2100001fff]"},
      {GuestMemoryConstraint{.size = 0x1000, .within = memory(0x21'0000'0001, 0x21'0000'fffe), .match = Match::kLast},
       "guest memory [0x210000e000, 0x210000efff]"},
      {GuestMemoryConstraint{.size = 0x10, .alignment = 1, .within = memory(0x21'0000'0001, 0x21'0000'ffff)},
       "guest memory [0x2100000001, 0x2100000010]"},
      {GuestMemoryConstraint::exactly(memory(0x22'0000'0123, 0x22'0000'0456)),
       "guest memory [0x2200000123, 0x2200000456]"},
      {GuestMemoryConstraint::exactly(memory(0x22'0000'0456, 0x22'0000'0500)), "nothing"},
      {GuestMemoryConstraint{.size = 0x1000, .within = memory(0, 0x1f'ffff'ffff)}, "nothing"},
      {GuestMemoryConstraint{.size = 0x1000, .within = memory(0x1f'ffff'0000, 0x20'0000'2fff)},
       "guest memory [0x2000002000, 0x2000002fff]"},
  };
  SystemAllocator<> system = machine();
  std::vector<Grant<>> grants;
  for (const auto& [constraint, expected] : rows) {
    auto grant = system.allocate({constraint}, "dev");
    EXPECT_EQ(grant ? to_string(grant->resources()) : "nothing", expected) << to_string(constraint);
    if (grant) grants.push_back(std::move(*grant));
  }
}

TEST(SystemAllocator, NamesTheConstraintAndTheHolderWhenItRefuses) {
  SystemAllocator<> system = machine();
  const auto com1 = system.allocate(
      {PioConstraint::exactly(PioRange::constant(0x3f8, 0x3ff)), LegacyIrqConstraint{.gsi = Gsi(5)}}, "com1");
  const auto blk0 = system.allocate({LegacyIrqConstraint{}, MmioConstraint{.size = 0x8000}, MemorySlotConstraint{},
                                     MsiConstraint{.kind = MsiKind::kPciMsix, .count = 6}},
                                    "blk0");
  const auto rtc = system.allocate({LegacyIrqConstraint{}}, "rtc");
  ASSERT_TRUE(com1 && blk0 && rtc);
  const SystemSnapshot before = system.snapshot();
  const auto refuse = [&](const ResourceConstraints& constraints) {
    const auto grant = system.allocate(constraints, "net0");
    EXPECT_EQ(system.snapshot(), before);
    return message(grant);
  };
  EXPECT_EQ(
      refuse({PioConstraint{.size = 8}, LegacyIrqConstraint{}}),
      "\"net0\": IRQ, resource 1 (any irq) failed: no irq is left: all 3 of [5, 7] are taken; free one or widen the "
      "range; held by: 5 \"com1\", 6 \"blk0\", 7 \"rtc\"");
  EXPECT_EQ(
      refuse({LegacyIrqConstraint{.gsi = Gsi(6)}}),
      "\"net0\": IRQ, resource 0 (irq 6) failed: irq 6 is taken; free it first; all 3 of [5, 7] are taken; held by: "
      "6 \"blk0\"");
  EXPECT_EQ(refuse({LegacyIrqConstraint{.gsi = Gsi(4)}}),
            "\"net0\": IRQ, resource 0 (irq 4) failed: irq 4 is outside the range to choose from, [5, 7]");
  EXPECT_EQ(refuse({MmioConstraint{.size = 0x1000}, PioConstraint::exactly(PioRange::constant(0x3fc, 0x3fd))}),
            "\"net0\": I/O resource 1 (pio [0x3fc, 0x3fd]) failed: pio: [0x3fc, 0x3fd] for \"net0\" overlaps [0x3f8, "
            "0x3ff] held by \"com1\"; free that first, or leave the address open: [0x0, 0x1] is the lowest place that "
            "fits");
  EXPECT_EQ(
      refuse({MmioConstraint{.size = 0x10000, .alignment = 0x10000}}),
      "\"net0\": I/O resource 0 (mmio of size 0x10000 aligned to 0x10000) failed: mmio below 4 GiB: no room for "
      "0x10000 addresses aligned to 0x10000 in [0xd0000000, 0xd000ffff] for \"net0\": 0x8000 are free there, but no "
      "free address is so aligned; lower the alignment, free a range or widen the bounds; held by: [0xd0000000, "
      "0xd0007fff] \"blk0\"");
  EXPECT_EQ(refuse({MsiConstraint{.kind = MsiKind::kPciMsix, .count = 3}}),
            "\"net0\": MSI, resource 0 (3 pci-msix vectors) failed: no 3 msi gsis in a row are left in [24, 31]: 2 are "
            "free, the longest run is 2 from 30; ask for at most 2, or free or widen; held by: [24, 29] \"blk0\"");
  EXPECT_EQ(
      refuse({MemorySlotConstraint{.count = 2, .first = MemorySlot(0)}}),
      "\"net0\": memory slot, resource 0 (2 memory slots from 0) failed: memory slot 0 is taken; free it first, or "
      "leave the number open: 1 is the lowest free one; held by: 0 \"blk0\"");
  EXPECT_EQ(
      refuse({PioConstraint{}}),
      "\"net0\": I/O resource 0 (pio of size 0x0) failed: pio: a range of size 0 was asked for \"net0\"; ask for at "
      "least 1 address");
  EXPECT_EQ(
      message(system.allocate({}, "net0", InstanceId(2))),
      "\"net0\": instance id (2) failed: instance id 2 is taken; free it first, or leave the number open: 4 is the "
      "lowest free one; held by: 2 \"blk0\"");
  EXPECT_EQ(message(system.allocate({}, "net0", InstanceId(0))),
            "\"net0\": instance id (0) failed: instance id 0 is outside the range to choose from, [1, 4294967295]");
}

TEST(SystemAllocator, SaysWhatTheMachineLacks) {
  auto system = SystemAllocator<>::create({}).value();
  EXPECT_EQ(message(system.allocate({PioConstraint{.size = 1}}, "com1")),
            "\"com1\": I/O resource 0 (pio of size 0x1) failed: this machine has no pio space; give it some in "
            "SystemConfig::pio");
  for (const ResourceConstraint& constraint : kOneOfEach) {
    EXPECT_EQ(system.allocate({constraint}, "dev").error().code(), ErrorCode::kUnsupported) << to_string(constraint);
  }
  EXPECT_EQ(system.snapshot(), SystemAllocator<>::create({})->snapshot());
  EXPECT_TRUE(system.allocate({}, "bus").has_value());
}

TEST(SystemAllocator, RefusesAConfigurationThatContradictsItself) {
  const auto refuse = [](const SystemConfig& config) { return message(SystemAllocator<>::create(config)); };
  EXPECT_EQ(refuse({.mmio_low = mmio(0xd000'0000, 0x1'0000'0000)}),
            "mmio below 4 GiB: [0xd0000000, 0x100000000] reaches beyond 0xffffffff; end it there, or give the rest as "
            "mmio_high");
  EXPECT_EQ(refuse({.mmio_high = mmio(0xffff'ffff, 0x1'0000'0000)}),
            "mmio above 4 GiB: [0xffffffff, 0x100000000] starts below 0x100000000; start it there, or give the rest as "
            "mmio_low");
  EXPECT_EQ(
      refuse({.mmio_high = mmio(0x1'0000'0000, 0x1'ffff'ffff),
              .guest_memory = GuestRange::constant(0x1'ffff'ffff, 0x2'0000'0000)}),
      "guest memory [0x1ffffffff, 0x200000000] overlaps mmio above 4 GiB [0x100000000, 0x1ffffffff]; an address can "
      "belong to one of them only");
  EXPECT_EQ(refuse({.legacy_irqs = IdRange<Gsi>::constant(0, 24), .msi = IdRange<Gsi>::constant(24, 99)}),
            "the legacy irqs [0, 24] and the msi gsis [24, 99] overlap; a gsi can be one of them only");
}

// Whatever step fails, the state after equals the state before.
TEST(SystemAllocator, AFaultAtAnyStepLeavesEverythingAsItWas) {
  test::FailAtStep faults;
  SystemAllocator<> system = machine(&faults);
  auto held = system.allocate({PioConstraint{.size = 3}, MmioConstraint{.size = 0x1000}}, "blk0").value();
  const std::string before = to_string(system.snapshot());
  std::size_t failed = 0;
  for (;; ++failed) {
    faults.arm(failed);
    const auto grant = system.allocate(kOneOfEach, "net0");
    if (grant) break;
    EXPECT_THAT(grant.error().message(), testing::EndsWith("failed: injected"));
    EXPECT_EQ(to_string(system.snapshot()), before) << faults.steps().back();
    if (failed == 0) continue;  // the instance id, which extend() does not take
    faults.arm(failed - 1);
    const DeviceResources resources = held.resources();
    EXPECT_FALSE(held.extend(kOneOfEach).has_value());
    EXPECT_EQ(held.resources(), resources);
    EXPECT_EQ(to_string(system.snapshot()), before) << faults.steps().back();
  }
  EXPECT_EQ(failed, kOneOfEach.size() + 1);
  faults.arm(0);
  EXPECT_FALSE(held.move(held.resources().all()[1], MmioResource{mmio(0xd000'8000, 0xd000'8fff)}).has_value());
  EXPECT_EQ(to_string(system.snapshot()), before);
}

TEST(SystemAllocator, GrantsGrowAndShrink) {
  SystemAllocator<> system = machine();
  auto grant = system.allocate({PioConstraint{.size = 8}}, "net0").value();
  const SystemSnapshot before = system.snapshot();
  const auto added =
      grant.extend({MsiConstraint{.kind = MsiKind::kPciMsix, .count = 2}, LegacyIrqConstraint{}}).value();
  EXPECT_EQ(to_string(added), "pci-msix gsis [24, 25], irq 5");
  EXPECT_EQ(to_string(grant.resources()), "pio [0x0, 0x7], pci-msix gsis [24, 25], irq 5");
  EXPECT_EQ(system.holdings().front().resources, grant.resources());
  EXPECT_EQ(
      message(grant.extend({LegacyIrqConstraint{}, LegacyIrqConstraint{}, LegacyIrqConstraint{}})),
      "\"net0\": IRQ, resource 2 (any irq) failed: no irq is left: all 3 of [5, 7] are taken; free one or widen the "
      "range; held by: 5 \"net0\"");
  for (const Resource& resource : added.all()) EXPECT_TRUE(grant.give_back(resource));
  EXPECT_EQ(system.snapshot(), before);
  EXPECT_EQ(message(grant.give_back(added.all().back())),
            "\"net0\" does not hold irq 5, so it cannot give it back; it holds: pio [0x0, 0x7]");
}

TEST(SystemAllocator, MovesABarOrLeavesItWhereItIs) {
  SystemAllocator<> system = machine();
  auto net = system.allocate({MmioConstraint{.size = 0x1000}}, "net0").value();
  const auto blk = system.allocate({MmioConstraint{.size = 0x1000}}, "blk0").value();
  const auto bar = [](std::uint64_t first, std::uint64_t last) { return Resource(MmioResource{mmio(first, last)}); };
  const Resource old = bar(0xd000'0000, 0xd000'0fff);

  const SystemSnapshot before = system.snapshot();
  EXPECT_EQ(
      message(net.move(old, bar(0xd000'1000, 0xd000'1fff))),
      "\"net0\": moving mmio [0xd0000000, 0xd0000fff] to mmio [0xd0001000, 0xd0001fff] failed: mmio below 4 GiB: "
      "[0xd0001000, 0xd0001fff] for \"net0\" overlaps [0xd0001000, 0xd0001fff] held by \"blk0\"; free that first, or "
      "leave the address open: [0xd0000000, 0xd0000fff] is the lowest place that fits");
  EXPECT_EQ(
      message(net.move(old, bar(0xe000'0000, 0xe000'0fff))),
      "\"net0\": moving mmio [0xd0000000, 0xd0000fff] to mmio [0xe0000000, 0xe0000fff] failed: [0xe0000000, "
      "0xe0000fff] lies in no mmio window of this machine (mmio below 4 GiB [0xd0000000, 0xd000ffff], mmio above 4 "
      "GiB [0x1000000000, 0x10ffffffff]); choose a place inside one of them");
  EXPECT_EQ(
      message(net.move(bar(0xd000'1000, 0xd000'1fff), old)),
      "\"net0\": moving mmio [0xd0001000, 0xd0001fff] to mmio [0xd0000000, 0xd0000fff] failed: it holds only: mmio "
      "[0xd0000000, 0xd0000fff]");
  EXPECT_EQ(message(net.move(old, PioResource{PioRange::constant(0, 7)})),
            "\"net0\": moving mmio [0xd0000000, 0xd0000fff] to pio [0x0, 0x7] failed: a resource stays of its kind");
  EXPECT_EQ(system.snapshot(), before);

  EXPECT_TRUE(net.move(old, bar(0x10'0000'0000, 0x10'0000'0fff)));
  EXPECT_EQ(net.resources().mmio(), std::vector{mmio(0x10'0000'0000, 0x10'0000'0fff)});
  EXPECT_TRUE(net.move(bar(0x10'0000'0000, 0x10'0000'0fff), bar(0x10'0000'0800, 0x10'0000'17ff)));
  EXPECT_TRUE(net.move(bar(0x10'0000'0800, 0x10'0000'17ff), old));
  EXPECT_EQ(system.snapshot(), before);
}

TEST(SystemAllocator, MovesResourcesOfEveryKind) {
  SystemAllocator<> system = machine();
  auto net = system.allocate(kOneOfEach, "net0").value();
  auto blk =
      system.allocate({LegacyIrqConstraint{.gsi = Gsi(7)}, MsiConstraint{}, MemorySlotConstraint{}}, "blk0").value();
  const std::vector<std::pair<Resource, Resource>> moves{
      {PioResource{PioRange::constant(0, 7)}, PioResource{PioRange::constant(4, 11)}},
      {BackedMmioResource{mmio(0x10'0000'0000, 0x10'0000'1fff), MemorySlot(0)},
       BackedMmioResource{mmio(0x10'0000'2000, 0x10'0000'3fff), MemorySlot(0)}},
      {GuestMemoryResource{GuestRange::constant(0x20'0000'0000, 0x20'0000'0fff)},
       GuestMemoryResource{GuestRange::constant(0x21'0000'0000, 0x21'0000'0fff)}},
      {LegacyIrqResource{Gsi(5)}, LegacyIrqResource{Gsi(6)}},
      {MsiResource{MsiKind::kPciMsix, IdRange<Gsi>::constant(25, 26)},
       MsiResource{MsiKind::kPciMsix, IdRange<Gsi>::constant(29, 31)}},
  };
  for (const auto& [old, now] : moves) EXPECT_EQ(message(net.move(old, now)), "success") << to_string(old);
  EXPECT_EQ(
      to_string(net.resources()),
      "pio [0x4, 0xb], mmio [0xd0000000, 0xd0000fff], memory-backed mmio [0x1000002000, 0x1000003fff] slot 0, guest "
      "memory [0x2100000000, 0x2100000fff], irq 6, pci-msi gsi 24, pci-msix gsis [29, 31], msi gsi 27, memory slots "
      "[1, 2]");
  EXPECT_EQ(system.holdings().front().resources, net.resources());

  EXPECT_THAT(
      message(net.move(LegacyIrqResource{Gsi(6)}, LegacyIrqResource{Gsi(7)})),
      testing::EndsWith("irq 7 is taken; free it first, or leave the number open: 5 is the lowest free one; held "
                        "by: 7 \"blk0\""));
  EXPECT_THAT(message(net.move(MsiResource{MsiKind::kGeneric, IdRange<Gsi>::single(Gsi(27))},
                               MsiResource{MsiKind::kGeneric, IdRange<Gsi>::constant(27, 28)})),
              testing::EndsWith("held by: 27 \"net0\", 28 \"blk0\""));
  EXPECT_THAT(message(blk.move(MemorySlotResource{IdRange<MemorySlot>::single(MemorySlot(3))},
                               MemorySlotResource{IdRange<MemorySlot>::single(MemorySlot(0))})),
              testing::EndsWith("held by: 0 \"net0\""));
  EXPECT_THAT(
      message(net.move(moves[1].second, BackedMmioResource{mmio(0x10'0000'2000, 0x10'0000'3fff), MemorySlot(3)})),
      testing::EndsWith("memory slot 0 moves with its range; keep the slot"));
}

TEST(SystemAllocator, IsWrittenFactByFact) {
  SystemAllocator<> system = machine();
  const auto com1 =
      system.allocate({PioConstraint::exactly(PioRange::constant(0x3f8, 0x3ff)), LegacyIrqConstraint{}}, "com1")
          .value();
  EXPECT_EQ(to_string(system.snapshot()),
            "pio [0x0, 0xffff]\n"
            "  [0x3f8, 0x3ff] \"com1\"\n"
            "mmio below 4 GiB [0xd0000000, 0xd000ffff]\n"
            "mmio above 4 GiB [0x1000000000, 0x10ffffffff]\n"
            "guest memory [0x2000000000, 0x2fffffffff]\n"
            "irqs [5, 7]\n"
            "  5\n"
            "msi gsis [24, 31]\n"
            "memory slots [0, 3]\n"
            "instance ids [1, 4294967295]\n"
            "  1\n"
            "owners\n"
            "  1 \"com1\": pio [0x3f8, 0x3ff], irq 5\n");
}

// Add and remove loops of random devices end where they began.
TEST(SystemAllocator, RandomAttachAndDetachLosesNothing) {
  SystemAllocator<> system = machine();
  const std::string before = to_string(system.snapshot());
  std::mt19937 random(11);
  std::vector<Grant<>> grants;
  for (int i = 0; i < 2000; ++i) {
    ResourceConstraints constraints;
    for (unsigned n = random() % 4; n > 0; --n) constraints.push_back(kOneOfEach[random() % kOneOfEach.size()]);
    if (auto grant = system.allocate(constraints, fmt::format("dev{}", i % 7))) grants.push_back(std::move(*grant));
    if (grants.size() > 6) grants.erase(grants.begin() + static_cast<std::ptrdiff_t>(random() % grants.size()));
  }
  grants.clear();
  EXPECT_EQ(to_string(system.snapshot()), before);
}

TEST(SystemAllocator, WithAMutexServesSeveralThreads) {
  auto system = SystemAllocator<Mutex>::create(small_machine()).value();
  const std::string before = to_string(system.snapshot());
  const auto churn = [&system](const char* owner) {
    for (int i = 0; i < 500; ++i) {
      auto grant = system.allocate({MmioConstraint{.size = 0x1000}, LegacyIrqConstraint{}}, owner);
      ASSERT_TRUE(!grant || grant->extend({PioConstraint{.size = 8}}));
    }
  };
  {
    const std::jthread one(churn, "one");
    const std::jthread two(churn, "two");
  }
  EXPECT_EQ(to_string(system.snapshot()), before);
}

}  // namespace
}  // namespace keel
