// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/pending_attach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake/bus.h"
#include "fake/machine.h"

namespace keel {
namespace {

using fake::guest_in;
using fake::Machine;
using fake::ports;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// The flow, one step at a time.
TEST(PendingAttach, TakesTheStepsOneByOne) {
  Machine machine;
  const auto device = fake::device({ports(0x10, 0x1f), LegacyIrqConstraint{}});
  ResourceConstraints constraints = device->constraints();
  auto attach = machine.devices.begin(device, {.name = "a", .constraints = constraints});
  ASSERT_TRUE(attach);
  EXPECT_EQ(attach->id(), InstanceId(1));
  EXPECT_EQ(to_string(attach->resources()), "pio [0x10, 0x1f], irq 5");
  EXPECT_THAT(device->story(), IsEmpty());

  ASSERT_TRUE(attach->assign());
  EXPECT_THAT(device->story(), ElementsAre("assigned pio [0x10, 0x1f], irq 5"));
  EXPECT_EQ(guest_in<std::uint8_t>(machine.io, 0x10), 0xff);
  EXPECT_THAT(machine.devices.view().devices, IsEmpty());

  const auto handle = attach->publish();
  ASSERT_TRUE(handle);
  EXPECT_EQ(guest_in<std::uint8_t>(machine.io, 0x10), 0);
  EXPECT_EQ(machine.devices.view().devices.size(), 1u);
}

TEST(PendingAttach, DroppedAtAnyStepItUndoesThose) {
  Machine machine;
  const std::string before = machine.text();
  const auto device = fake::device({ports(0x10, 0x1f), LegacyIrqConstraint{}});
  {
    const auto attach = machine.devices.begin(device, {.name = "a"}).value();
    EXPECT_NE(machine.text(), before);
  }
  EXPECT_EQ(machine.text(), before);
  EXPECT_THAT(device->story(), IsEmpty());
  {
    auto attach = machine.devices.begin(device, {.name = "a"}).value();
    ASSERT_TRUE(attach.assign());
  }
  EXPECT_EQ(machine.text(), before);
  EXPECT_THAT(device->story(), ElementsAre(StartsWith("assigned"), "released"));
}

TEST(PendingAttach, StepsHaveAnOrder) {
  Machine machine;
  auto attach = machine.devices.begin(fake::device(), {.name = "a"}).value();
  EXPECT_EQ(attach.publish().error().message(),
            "\"a\" must be assigned its resources before its first I/O; call assign()");
  ASSERT_TRUE(attach.assign());
  EXPECT_EQ(attach.assign().error().code(), ErrorCode::kInvalidState);
  const auto handle = attach.publish();
  ASSERT_TRUE(handle);
  EXPECT_EQ(attach.publish().error().code(), ErrorCode::kInvalidState);
  EXPECT_EQ(attach.assign().error().code(), ErrorCode::kInvalidState);
}

TEST(PendingAttach, AStepThatFailedMayBeTriedAgain) {
  Machine machine;
  const auto device = fake::device({ports(0x10, 0x1f)});
  auto attach = machine.devices.begin(device, {.name = "a"}).value();
  device->in_assign = [](const Assignment&) { return fail(ErrorCode::kInvalidState, "not now"); };
  EXPECT_FALSE(attach.assign());
  device->in_assign = nullptr;
  ASSERT_TRUE(attach.assign());
  ASSERT_TRUE(machine.io.register_pio(PioRange::constant(0x10, 0x10), fake::device(), "rival"));
  EXPECT_EQ(attach.publish().error().code(), ErrorCode::kOverlap);
  ASSERT_TRUE(machine.io.deregister_pio(PioAddress(0x10)));
  EXPECT_TRUE(attach.publish());
}

TEST(PendingAttach, HoldsNameIdAndResourcesMeanwhile) {
  Machine machine;
  const auto device = fake::device({ports(0x10, 0x1f)});
  const auto attach = machine.devices.begin(device, {.name = "a"}).value();
  EXPECT_EQ(machine.devices.attach(fake::device(), {.name = "a"}).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(machine.devices.attach(device, {.name = "b"}).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(machine.devices.attach(fake::device({ports(0x10, 0x10)}), {.name = "c"}).error().code(),
            ErrorCode::kOverlap);
  EXPECT_EQ(machine.devices.find("a").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(machine.devices.resolve(PioAddress(0x10)).error().code(), ErrorCode::kNotFound);
}

TEST(PendingAttach, CanBeHandedOn) {
  Machine machine;
  auto first = machine.devices.begin(fake::device({ports(0x10, 0x1f)}), {.name = "a"}).value();
  auto second = machine.devices.begin(fake::device({ports(0x20, 0x2f)}), {.name = "b"}).value();
  second = std::move(first);  // undoes "b"
  EXPECT_TRUE(second.assign());
  EXPECT_TRUE(machine.devices.begin(fake::device({ports(0x20, 0x2f)}), {.name = "b"}));
  EXPECT_TRUE(second.publish());
}

}  // namespace
}  // namespace keel
