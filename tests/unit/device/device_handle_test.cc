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

// What cannot leave at this moment leaves when what keeps it is over.
TEST(DeviceHandle, DroppedWhileTheDeviceMoves) {
  Machine machine;
  const std::string before = machine.text();
  DeviceHandle handle = handle_of(machine, "a");
  const PioRange range = machine.devices.resources(handle.id())->pio().front();
  const InstanceId id = handle.id();
  machine.hooks.in_take = [&]() -> Result<void> {
    handle = DeviceHandle();
    EXPECT_TRUE(machine.devices.find("a"));
    return {};
  };
  EXPECT_TRUE(machine.devices.move_pio(id, range, PioAddress(0x100)));
  EXPECT_EQ(machine.text(), before);
}

TEST(DeviceHandle, DroppedWhileAChildComes) {
  for (const bool comes : {true, false}) {
    Machine machine;
    const std::string before = machine.text();
    DeviceHandle bus = machine.devices.attach(fake::bus(), {.name = "bus"}).value();
    const auto child = fake::device();
    child->in_assign = [&](const Assignment&) -> Result<void> {
      bus = DeviceHandle();
      return comes ? Result<void>() : fail(ErrorCode::kIo, "the test refuses");
    };
    auto attached = machine.devices.attach(child, {.name = "child", .parent = bus.id()});
    EXPECT_EQ(attached.has_value(), comes);
    EXPECT_EQ(machine.text(), before);
    EXPECT_FALSE(attached && attached->detach().has_value());
  }
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
