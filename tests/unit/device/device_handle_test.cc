// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/device_handle.h"

#include <optional>
#include <utility>

#include <gtest/gtest.h>

#include "fake/machine.h"

namespace keel {
namespace {

using fake::attach;
using fake::Machine;
using fake::ports;

DeviceHandle handle_of(Machine& machine, const char* name) {
  return machine.devices.attach(fake::device({PioConstraint{.size = 8}}), {.name = name}).value();
}

TEST(DeviceHandle, DetachesWhenDropped) {
  Machine machine;
  const std::string before = machine.text();
  {
    const DeviceHandle handle = handle_of(machine, "a");
  }
  EXPECT_EQ(machine.text(), before);
}

TEST(DeviceHandle, DropsABusWithItsChildren) {
  Machine machine;
  const std::string before = machine.text();
  {
    const DeviceHandle bus = machine.devices.attach(fake::bus(), {.name = "bus"}).value();
    attach(machine, fake::device(), "child", bus.id());
  }
  EXPECT_EQ(machine.text(), before);
}

TEST(DeviceHandle, DetachRefusesAsTheManagerDoes) {
  Machine machine;
  DeviceHandle bus = machine.devices.attach(fake::bus(), {.name = "bus"}).value();
  DeviceHandle child = machine.devices.attach(fake::device(), {.name = "child", .parent = bus.id()}).value();
  EXPECT_FALSE(bus.detach());
  EXPECT_TRUE(child.detach()->done());
  EXPECT_FALSE(child.detach());
  EXPECT_TRUE(bus.detach());
}

TEST(DeviceHandle, KeepLetsTheDeviceStay) {
  Machine machine;
  const InstanceId id = handle_of(machine, "a").keep();
  EXPECT_TRUE(machine.devices.detach(id));
}

TEST(DeviceHandle, MovesAndIsEmptyAfterwards) {
  Machine machine;
  DeviceHandle a = handle_of(machine, "a");
  DeviceHandle b = std::move(a);
  EXPECT_FALSE(a.detach());  // NOLINT(bugprone-use-after-move): what a moved-from handle is, is part of its contract
  EXPECT_TRUE(machine.devices.find("a"));
  b = handle_of(machine, "b");
  EXPECT_FALSE(machine.devices.find("a"));
  EXPECT_TRUE(machine.devices.find("b"));
}

TEST(DeviceHandle, LeavesTheNextOwnerOfItsIdAlone) {
  Machine machine;
  {
    const DeviceHandle stale = handle_of(machine, "old");
    ASSERT_TRUE(machine.devices.detach(stale.id()));
    EXPECT_EQ(handle_of(machine, "new").keep(), stale.id());
  }
  EXPECT_TRUE(machine.devices.find("new"));
}

TEST(DeviceHandle, MayOutliveTheManager) {
  std::optional<Machine> machine(std::in_place);
  DeviceHandle handle = handle_of(*machine, "a");
  machine.reset();
  EXPECT_FALSE(handle.detach());
}

}  // namespace
}  // namespace keel
