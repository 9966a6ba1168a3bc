// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/machine_map.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/own_network.h"
#include "support/run_program.h"
#include "unit/arch/x86_64/kernel_files.h"
#include "keel/arch/x86_64/memory_map.h"

namespace keel {
namespace {

MachineMap map_of(std::uint64_t memory_size) {
  const auto bytes = x86_64::testing::make_bzimage().bytes;
  const testing::TemporaryFile kernel(std::string(bytes.begin(), bytes.end()));
  const auto image = GuestImage::load({.kernel = kernel.path(), .initrd = std::nullopt, .memory_size = memory_size});
  EXPECT_TRUE(image) << image.error().message();
  return map_machine(*image).value();
}

const Allocation<MmioAddress>* holder(const MachineMap& map, MmioAddress address) {
  for (const auto& allocation : map.spaces.mmio_low->allocations)
    if (allocation.range.contains(address)) return &allocation;
  return nullptr;
}

TEST(MachineMap, PlacesTheDevicesOfAPc) {
  const MachineMap map = map_of(64 * x86_64::kMiB);
  std::vector<std::string> paths;
  for (const DeviceView& device : map.devices.devices) paths.push_back(device.path);
  EXPECT_THAT(paths, ::testing::ElementsAre("ram", "pic", "pit", "rtc-irq", "ioapic", "local-apic", "chipset",
                                            "firmware", "com1", "rtc", "i8042", "acpi-pm"));
  EXPECT_EQ(to_string(map.devices.devices[8].resources), "pio [0x3f8, 0x3ff], irq 4");
}

TEST(MachineMap, NamesWhoHoldsWhichInterruptByWhat) {
  using kvm::InterruptPath;
  const MachineMap map = map_of(64 * x86_64::kMiB);
  ASSERT_EQ(map.interrupts.size(), 3u);
  EXPECT_EQ(map.interrupts[0].owner, "i8042");
  EXPECT_EQ(map.interrupts[1], (kvm::InterruptHolding{.owner = "com1",
                                                      .gsi = x86_64::kCom1Gsi,
                                                      .config = LegacyIrqConfig{x86_64::kCom1Gsi, TriggerMode::kEdge},
                                                      .path = InterruptPath::kIrqfd,
                                                      .enabled = true}));
  EXPECT_EQ(map.interrupts[2].owner, "acpi-pm");
  EXPECT_EQ(map.interrupts[2].path, InterruptPath::kIrqLine);
  EXPECT_THAT(map.doorbells, ::testing::IsEmpty());
}

// A device that leaves its address open gets one of the window meant for devices, and of nothing else below 4 GiB.
TEST(MachineMap, LeavesDevicesTheirWindowAndNothingElse) {
  const MachineMap map = map_of(64 * x86_64::kMiB);
  EXPECT_EQ(map.spaces.mmio_low->managed.first(), x86_64::kMmioWindow32.first());
  EXPECT_EQ(map.spaces.mmio_low->managed.last(), MmioAddress(0xffff'ffff));
  std::uint64_t taken = 0;
  for (const auto& allocation : map.spaces.mmio_low->allocations) {
    EXPECT_FALSE(allocation.range.overlaps(x86_64::kMmioWindow32)) << allocation.owner;
    taken += allocation.range.size();
  }
  EXPECT_EQ(taken, map.spaces.mmio_low->managed.size() - x86_64::kMmioWindow32.size());
  EXPECT_EQ(holder(map, x86_64::kIoApic.first())->owner, "ioapic");
  EXPECT_EQ(holder(map, x86_64::kLocalApic.first())->owner, "local-apic");
}

TEST(MachineMap, RamAndItsSlotsFollowTheSize) {
  const MachineMap small = map_of(64 * x86_64::kMiB);
  const MachineMap large = map_of(4 * x86_64::kGiB);
  EXPECT_EQ(small.ram.size(), 1u);
  EXPECT_EQ(large.ram, x86_64::ram_ranges(4 * x86_64::kGiB));
  EXPECT_EQ(large.spaces.memory_slots->taken,
            std::vector{*IdRange<MemorySlot>::from_count(MemorySlot(0), large.ram.size())});
  for (const GuestRange ram : large.ram) {
    EXPECT_LT(ram.last().value(), large.spaces.mmio_high->managed.first().value());
    EXPECT_FALSE(ram.first().value() <= 0xffff'ffff && ram.last().value() >= x86_64::kMmioWindow32.first().value());
  }
}

TEST(MachineMap, TheSameConfigurationIsTheSameMachine) {
  EXPECT_EQ(map_of(64 * x86_64::kMiB), map_of(64 * x86_64::kMiB));
  EXPECT_NE(map_of(64 * x86_64::kMiB), map_of(65 * x86_64::kMiB));
}

// A tap that is there is shown as the network that it makes: with queues for each processor where it has several.
TEST(MachineMap, ATapHasAsManyQueuesAsWhenItRuns) {
  const auto bytes = x86_64::testing::make_bzimage().bytes;
  const testing::TemporaryFile kernel(std::string(bytes.begin(), bytes.end()));
  MachineConfig config;
  config.kernel = kernel.path();
  config.memory_size = 64 * x86_64::kMiB;
  config.cpus = 4;
  const auto doorbells_with = [&](const std::string& tap) {
    config.networks = {{.tap = tap, .forwards = {}, .mac = {}}};
    return map_machine(GuestImage::load(config).value()).value().doorbells.size();
  };
  EXPECT_EQ(doorbells_with("keel-nobody"), 2u);
  const int status = testing::in_own_network([&] {
    testing::make_tap("keel-one", 0);
    testing::make_tap("keel-several", IFF_MULTI_QUEUE);
    EXPECT_EQ(doorbells_with("keel-one"), 2u);
    EXPECT_EQ(doorbells_with("keel-several"), 2u * 4 + 1);
  });
  if (status == testing::kNotAllowed) GTEST_SKIP() << "this user may not make a network with a tap";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace keel
