// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// What management from inside I/O handlers and from inside devices' own functions comes to, and detach with I/O inside.
// management_calls_test.cc has each call by itself.

#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake/bus.h"
#include "fake/machine.h"
#include "unit/device/reentry_tree.h"
#include "keel/bus/handler_scope.h"
#include "keel/bus/locked.h"
#include "keel/device/device_manager.h"
#include "keel/device/plain_device.h"

namespace keel {
namespace {

using fake::attach;
using fake::guest_in;
using fake::Machine;
using fake::ports;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

class Reentry : public ::testing::Test, public Tree {};

TEST_F(Reentry, AHandleDroppedInItsOwnHandler) {
  auto handle = machine.devices.attach(fake::device({ports(0x40, 0x4f)}), {.name = "new"}).value();
  in_handler([&] { handle = DeviceHandle(); });
  EXPECT_FALSE(machine.devices.find("new"));
}

TEST_F(Reentry, ADeviceReplacesItself) {
  const auto heir = fake::device({ports(0x20, 0x2f)});
  Detachment gone;
  in_handler([&] {
    gone = machine.devices.detach(self_id).value();
    // Its ports go back only after this handler has returned.
    EXPECT_EQ(machine.devices.attach(heir, {.name = "heir"}).error().code(), ErrorCode::kOverlap);
  });
  gone.wait();
  attach(machine, heir, "heir");
  EXPECT_EQ(machine.devices.resolve(PioAddress(0x20))->device, heir);
}

// The reclaimer releases devices one after another; each may ask for more.
TEST_F(Reentry, AReleasedDeviceDetachesOthersAndAttachesNewOnes) {
  Detachment second;
  self->in_released = [&] {
    EXPECT_TRUE(in_io_handler());
    second = machine.devices.detach(other_id).value();
    EXPECT_EQ(second.wait(), Completion::Wait::kDeferred);
    attach(machine, fake::device({ports(0x50, 0x5f)}), "heir");
  };
  Detachment first;
  in_handler([&] { first = machine.devices.detach(self_id).value(); });
  first.wait();
  second.wait();
  EXPECT_THAT(other->story(), Contains("released"));
  EXPECT_TRUE(machine.devices.find("heir"));
  EXPECT_FALSE(machine.devices.find("parent/other"));
}

TEST(ReentryAtTheEnd, WhatWasDeferredIsEndedFirst) {
  auto tree = std::make_unique<Tree>("the end of a manager");
  const auto other = tree->other;
  tree->self->in_released = [&devices = tree->machine.devices, id = tree->other_id] {
    // Long enough for the manager to have begun its end.
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_FALSE(devices.detach(InstanceId(99)));
    EXPECT_TRUE(devices.detach(id));
  };
  tree->in_handler([&] { EXPECT_TRUE(tree->machine.devices.detach(tree->self_id)); });
  tree.reset();
  EXPECT_THAT(other->story(), Contains("released"));
}

TEST_F(Reentry, AMoveCallsTheDeviceAsFromInsideAHandler) {
  bool inside = false;
  machine.hooks.in_take = [&]() -> Result<void> {
    inside = in_io_handler();
    return {};
  };
  ASSERT_TRUE(machine.devices.move_pio(other_id, fake::port_range(0x30, 0x3f), PioAddress(0x130)));
  EXPECT_TRUE(inside);
}

// The lock of the device that detaches is held while the other is detached; that one's lock is needed to release it,
// and a third party holds it while it manages devices: no order of the two locks may matter.
TEST_F(Reentry, ADeviceIsNotReleasedUnderTheLockOfAnother) {
  struct Port final : MutDevicePio {
    void pio_read(PioAddress, std::uint16_t, std::span<std::uint8_t> data) override { store_le(data, 0); }
    void pio_write(PioAddress, std::uint16_t, std::span<const std::uint8_t>) override { on_write(); }
    std::function<void()> on_write;
  };
  const auto port = std::make_shared<Locked<Port>>();
  const InstanceId id = attach(machine,
                               std::make_shared<PlainDevice>(
                                   PlainDevice::Parts{.type = "port", .constraints = {ports(0x60, 0x6f)}, .pio = port}),
                               "port");
  self->in_released = [&] { port->with_lock([](Port&) {}); };
  Detachment gone;
  port->with_lock([&](Port& unlocked) { unlocked.on_write = [&] { gone = machine.devices.detach(self_id).value(); }; });
  fake::guest_out<std::uint8_t>(machine.io, 0x60, 0);
  EXPECT_EQ(gone.wait(), Completion::Wait::kDone);
  // With the lock held outside of any handler it is the same.
  port->with_lock([&](Port&) { gone = machine.devices.detach(id).value(); });
  EXPECT_EQ(gone.wait(), Completion::Wait::kDone);
}

// Whoever attaches gets an answer, so an attach is over when it returns, its undoing included; a detach may wait.
TEST_F(Reentry, AnAttachCallsTheDeviceOnItsThreadAndADetachOnOneOfTheManagers) {
  const auto device = fake::device({ports(0x40, 0x4f)});
  std::vector<std::thread::id> calls;
  const auto note = [&calls] { calls.push_back(std::this_thread::get_id()); };
  device->in_constraints = note;
  device->in_assign = [note](const Assignment&) -> Result<void> {
    note();
    return {};
  };
  device->in_released = note;
  Detachment gone;
  std::thread::id handler;
  in_handler([&] {
    handler = std::this_thread::get_id();
    device->answers = false;
    EXPECT_FALSE(machine.devices.attach(device, {.name = "new"}));
    EXPECT_THAT(calls, ElementsAre(handler, handler, handler)) << "constraints, assign, released";
    calls.clear();
    device->answers = true;
    const InstanceId id = attach(machine, device, "new");
    EXPECT_THAT(calls, ElementsAre(handler, handler));
    calls.clear();
    gone = machine.devices.detach(id).value();
  });
  EXPECT_EQ(gone.wait(), Completion::Wait::kDone);
  EXPECT_THAT(calls, ElementsAre(::testing::AllOf(::testing::Ne(handler), ::testing::Ne(std::this_thread::get_id()))));
}

TEST_F(Reentry, DetachOutsideWaitsForTheLastAccess) {
  std::latch inside(1);
  std::latch leave(1);
  self->in_handler = [&] {
    inside.count_down();
    leave.wait();
  };
  std::thread guest([&] { guest_in<std::uint8_t>(machine.io, 0x20); });
  inside.wait();
  std::atomic<bool> returned = false;
  std::thread operator_thread([&] {
    EXPECT_TRUE(machine.devices.detach(self_id)->done());
    returned = true;
  });
  while (machine.io.find_pio(PioAddress(0x20))) std::this_thread::yield();
  // Nobody gets in any more, and the one inside is not disturbed.
  EXPECT_EQ(guest_in<std::uint8_t>(machine.io, 0x20), 0xff);
  EXPECT_FALSE(returned);
  EXPECT_THAT(self->story(), Not(Contains("released")));
  EXPECT_THAT(to_string(machine.devices.spaces()), ::testing::HasSubstr("[0x20, 0x2f] \"parent/self\""));
  leave.count_down();
  guest.join();
  operator_thread.join();
  EXPECT_THAT(self->story(), ElementsAre(::testing::StartsWith("assigned"), "read", "released"));
}

TEST_F(Reentry, TheManagersEndWaitsForWhatWasDeferred) {
  const auto device = fake::device({ports(0x10, 0x1f)});
  {
    Machine other_machine;
    const InstanceId id = attach(other_machine, device, "a");
    device->in_handler = [&] { EXPECT_TRUE(other_machine.devices.detach(id)); };
    guest_in<std::uint8_t>(other_machine.io, 0x10);
  }
  EXPECT_THAT(device->story(), Contains("released"));
}

}  // namespace
}  // namespace keel
