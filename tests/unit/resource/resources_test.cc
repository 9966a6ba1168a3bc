// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/resources.h"

#include <gtest/gtest.h>

namespace keel {
namespace {

const MacAddress kMac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};

DeviceResources one_of_each() {
  return DeviceResources({
      PioResource{PioRange::constant(0x3f8, 0x3ff)},
      MmioResource{MmioRange::constant(0xd000'0000, 0xd000'0fff)},
      MsiResource{MsiKind::kPciMsix, IdRange<Gsi>::constant(24, 26)},
      BackedMmioResource{MmioRange::constant(0xd000'2000, 0xd000'2fff), MemorySlot(3)},
      GuestMemoryResource{GuestRange::constant(0x1'0000'0000, 0x1'0fff'ffff)},
      LegacyIrqResource{Gsi(5)},
      MsiResource{MsiKind::kPciMsi, IdRange<Gsi>::constant(27, 27)},
      MsiResource{MsiKind::kGeneric, IdRange<Gsi>::constant(28, 29)},
      MmioResource{MmioRange::constant(0xd000'4000, 0xd000'4fff)},
      MemorySlotResource{IdRange<MemorySlot>::constant(4, 5)},
      MacAddressResource{kMac},
      LegacyIrqResource{Gsi(6)},
  });
}

TEST(DeviceResources, AreReadByKind) {
  const DeviceResources resources = one_of_each();
  EXPECT_EQ(resources.pio(), std::vector{PioRange::constant(0x3f8, 0x3ff)});
  EXPECT_EQ(resources.mmio(), (std::vector{MmioRange::constant(0xd000'0000, 0xd000'0fff),
                                           MmioRange::constant(0xd000'4000, 0xd000'4fff)}));
  EXPECT_EQ(resources.backed_mmio(),
            (std::vector{BackedMmioResource{MmioRange::constant(0xd000'2000, 0xd000'2fff), MemorySlot(3)}}));
  EXPECT_EQ(resources.guest_memory(), std::vector{GuestRange::constant(0x1'0000'0000, 0x1'0fff'ffff)});
  EXPECT_EQ(resources.legacy_irqs(), (std::vector{Gsi(5), Gsi(6)}));
  EXPECT_EQ(resources.legacy_irq(), Gsi(5));
  EXPECT_EQ(resources.msi(MsiKind::kPciMsix), std::vector{IdRange<Gsi>::constant(24, 26)});
  EXPECT_EQ(resources.msi(MsiKind::kPciMsi), std::vector{IdRange<Gsi>::constant(27, 27)});
  EXPECT_EQ(resources.msi(MsiKind::kGeneric), std::vector{IdRange<Gsi>::constant(28, 29)});
  EXPECT_EQ(resources.memory_slots(), std::vector{IdRange<MemorySlot>::constant(4, 5)});
  EXPECT_EQ(resources.mac(), kMac);
}

TEST(DeviceResources, OfNothingAreEmpty) {
  const DeviceResources none;
  EXPECT_TRUE(none.pio().empty() && none.mmio().empty() && none.all().empty());
  EXPECT_FALSE(none.legacy_irq() || none.mac());
  EXPECT_EQ(to_string(none), "");
}

TEST(DeviceResources, AddRemoveReplaceAndCompare) {
  DeviceResources resources = one_of_each();
  const Resource bar = MmioResource{MmioRange::constant(0xd000'4000, 0xd000'4fff)};
  const Resource moved = MmioResource{MmioRange::constant(0xd000'8000, 0xd000'8fff)};
  EXPECT_TRUE(resources.replace(bar, moved));
  EXPECT_FALSE(resources.contains(bar));
  EXPECT_NE(resources, one_of_each());
  EXPECT_FALSE(resources.replace(bar, moved));
  EXPECT_TRUE(resources.replace(moved, bar));
  EXPECT_EQ(resources, one_of_each());
  EXPECT_TRUE(resources.remove(bar));
  EXPECT_FALSE(resources.remove(bar));
  resources.add(bar);
  EXPECT_TRUE(resources.contains(bar));
}

TEST(DeviceResources, AreWrittenInOrder) {
  EXPECT_EQ(to_string(one_of_each()),
            "pio [0x3f8, 0x3ff], mmio [0xd0000000, 0xd0000fff], pci-msix gsis [24, 26], memory-backed mmio "
            "[0xd0002000, 0xd0002fff] slot 3, guest memory [0x100000000, 0x10fffffff], irq 5, pci-msi gsi 27, msi gsis "
            "[28, 29], mmio [0xd0004000, 0xd0004fff], memory slots [4, 5], mac 52:54:00:12:34:56, irq 6");
}

}  // namespace
}  // namespace keel
