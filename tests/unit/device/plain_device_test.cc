// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/plain_device.h"

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake/bus.h"
#include "fake/machine.h"
#include "support/fake_interrupt.h"

namespace keel {
namespace {

using fake::Machine;
using fake::ports;

TEST(PlainDevice, MakesABusDeviceAttachable) {
  Machine machine;
  LineSocket line;
  const auto port = std::make_shared<fake::RecordingDevice>(0x42);
  EXPECT_TRUE(line.raise());
  auto handle = machine.devices
                    .attach(std::make_shared<PlainDevice>(
                                PlainDevice::Parts{.type = "recorder",
                                                   .constraints = {ports(0x10, 0x1f), LegacyIrqConstraint{}},
                                                   .pio = port,
                                                   .lines = {&line}}),
                            {.name = "a"})
                    .value();
  EXPECT_EQ(fake::guest_in<std::uint8_t>(machine.io, 0x11), 0x42);
  EXPECT_TRUE(machine.hooks.latest_line.load()->wire.is_high());
  EXPECT_EQ(machine.devices.view().devices[0].type, "recorder");
  EXPECT_TRUE(handle.detach());
  EXPECT_TRUE(line.lower());  // the wire is gone; nobody is reached
}

TEST(PlainDevice, IsABusOrAReservationWithoutFaces) {
  Machine machine;
  const auto bus = machine.devices.attach(
      std::make_shared<PlainDevice>(PlainDevice::Parts{.type = "pci", .role = DeviceRole::kBus}), {.name = "pci0"});
  ASSERT_TRUE(bus);
  const auto pit = std::make_shared<PlainDevice>(
      PlainDevice::Parts{.type = "kvm-pit", .role = DeviceRole::kReservation, .constraints = {ports(0x40, 0x43)}});
  const auto reserved = machine.devices.attach(pit, {.name = "pit", .parent = bus->id()});
  ASSERT_TRUE(reserved) << reserved.error().message();
  EXPECT_EQ(to_string(machine.devices.view()),
            "1 \"pci0\" bus \"pci\" at \"pci0\": \n"
            "  2 \"pit\" reservation \"kvm-pit\" at \"pci0/pit\" below 1: pio [0x40, 0x43]\n");
}

TEST(PlainDevice, AWireThatRefusesRefusesTheDevice) {
  LineSocket first;
  LineSocket second;
  auto good = std::make_unique<testing::FakeLevelInterrupt>();
  auto bad = std::make_unique<testing::FakeLevelInterrupt>();
  const testing::FakeLevelInterrupt& wire = *good;
  bad->refuse();
  std::vector<std::unique_ptr<LevelInterrupt>> wires;
  wires.push_back(std::move(good));
  wires.push_back(std::move(bad));
  EXPECT_TRUE(first.raise());
  EXPECT_TRUE(second.raise());

  PlainDevice device({.type = "two-lines", .lines = {&first, &second}});
  EXPECT_FALSE(device.assign({InstanceId(1), DeviceResources(), wires}));
  EXPECT_FALSE(wire.is_high());  // unplugged again
}

}  // namespace
}  // namespace keel
