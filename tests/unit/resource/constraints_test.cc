// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/constraints.h"

#include <gtest/gtest.h>

namespace keel {
namespace {

TEST(ResourceConstraints, HaveTheirDefaults) {
  EXPECT_EQ(PioConstraint().alignment, 1u);
  EXPECT_EQ(MmioConstraint().alignment, 0x1000u);
  EXPECT_EQ(GuestMemoryConstraint().alignment, 0x1000u);
  EXPECT_FALSE(PioConstraint().within || MmioConstraint().within || GuestMemoryConstraint().within);
  EXPECT_EQ(MmioConstraint().place, MmioPlace::kDefault);
  EXPECT_EQ(MmioConstraint().backing, MmioBacking::kTrapped);
  EXPECT_FALSE(LegacyIrqConstraint().gsi.has_value());
  EXPECT_EQ(MsiConstraint().count, 1u);
  EXPECT_EQ(MemorySlotConstraint().count, 1u);
}

TEST(ResourceConstraints, ExactlyNamesTheAddress) {
  const auto com1 = PioConstraint::exactly(PioRange::constant(0x3f8, 0x3ff));
  EXPECT_EQ(com1.size, 8u);
  EXPECT_EQ(com1.within, PioRange::constant(0x3f8, 0x3ff));
  const auto hpet = MmioConstraint::exactly(MmioRange::constant(0xfed0'0000, 0xfed0'03ff));
  EXPECT_EQ(hpet.size, 0x400u);
  EXPECT_EQ(hpet.alignment, 1u);
  EXPECT_EQ(GuestMemoryConstraint::exactly(GuestRange::constant(0, 0xfff)).size, 0x1000u);
}

TEST(ResourceConstraints, DescribeThemselves) {
  const ResourceConstraints constraints{
      PioConstraint{.size = 8},
      PioConstraint::exactly(PioRange::constant(0x3f8, 0x3ff)),
      MmioConstraint{.size = 0x1000, .within = MmioRange::constant(0xd000'0000, 0xd000'ffff)},
      MmioConstraint{.size = 0x2000, .backing = MmioBacking::kMemory},
      GuestMemoryConstraint{.size = 0x20'0000, .alignment = 0x20'0000},
      LegacyIrqConstraint{},
      LegacyIrqConstraint{.gsi = Gsi(4)},
      LegacyIrqConstraint{.within = IdRange<Gsi>::constant(5, 23)},
      MsiConstraint{.kind = MsiKind::kPciMsi},
      MsiConstraint{.kind = MsiKind::kPciMsix, .count = 3},
      MsiConstraint{},
      MemorySlotConstraint{},
      MemorySlotConstraint{.count = 2, .first = MemorySlot(7)},
  };
  std::string text;
  for (const ResourceConstraint& constraint : constraints) text += to_string(constraint) + "\n";
  EXPECT_EQ(text,
            "pio of size 0x8\n"
            "pio [0x3f8, 0x3ff]\n"
            "mmio of size 0x1000 aligned to 0x1000 in [0xd0000000, 0xd000ffff]\n"
            "memory-backed mmio of size 0x2000 aligned to 0x1000\n"
            "guest memory of size 0x200000 aligned to 0x200000\n"
            "any irq\n"
            "irq 4\n"
            "any irq in [5, 23]\n"
            "1 pci-msi vector\n"
            "3 pci-msix vectors\n"
            "1 msi vector\n"
            "1 memory slot\n"
            "2 memory slots from 7\n");
}

}  // namespace
}  // namespace keel
