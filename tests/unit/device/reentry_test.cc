// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Management from inside I/O handlers and from inside devices' own functions, and detach with I/O inside. Nothing here
// may deadlock: a test that hangs fails by its time limit.

#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake/bus.h"
#include "fake/machine.h"
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
using ::testing::Not;

// A bus with two devices, each with ports. The guest's access to `self` runs what the test says.
struct Tree {
  Tree() {
    parent_id = attach(machine, parent, "parent");
    self_id = attach(machine, self, "self", parent_id);
    other_id = attach(machine, other, "other", parent_id);
  }

  // What happens inside the handler of "self" as the guest reads it, on a thread of the guest's own.
  void in_handler(const std::function<void()>& what) {
    self->in_handler = [&] {
      if (std::exchange(ran, true)) return;
      EXPECT_TRUE(in_io_handler());
      what();
    };
    std::thread([&] { guest_in<std::uint8_t>(machine.io, 0x20); }).join();
    EXPECT_TRUE(ran);
    self->in_handler = nullptr;
  }

  bool ran = false;
  std::shared_ptr<fake::MachineDevice> parent = fake::bus({ports(0x10, 0x1f)});
  std::shared_ptr<fake::MachineDevice> self = fake::device({ports(0x20, 0x2f), LegacyIrqConstraint{}});
  std::shared_ptr<fake::MachineDevice> other = fake::device({ports(0x30, 0x3f)});
  Machine machine;
  InstanceId parent_id;
  InstanceId self_id;
  InstanceId other_id;
};

enum class Who { kSelf, kOther, kParent };

class InHandler : public ::testing::TestWithParam<Who>, public Tree {
 protected:
  InstanceId target() const {
    switch (GetParam()) {
      case Who::kSelf: return self_id;
      case Who::kOther: return other_id;
      case Who::kParent: return parent_id;
    }
    return {};
  }
  fake::MachineDevice& device() {
    return GetParam() == Who::kSelf ? *self : GetParam() == Who::kOther ? *other : *parent;
  }
};

TEST_P(InHandler, DetachIsDeferredUntilTheHandlerReturns) {
  Detachment gone;
  in_handler([&] {
    const auto detached = machine.devices.detach(target(), Children::kRemove);
    ASSERT_TRUE(detached) << detached.error().message();
    gone = *detached;
    EXPECT_EQ(gone.wait(), Completion::Wait::kDeferred);
    EXPECT_FALSE(gone.done());
    EXPECT_THAT(device().story(), Not(Contains("released")));
    // It is no part of the tree any more, and yet holds its place.
    EXPECT_FALSE(machine.devices.resources(target()));
    EXPECT_THAT(machine.devices.spaces().holdings, Contains(::testing::Field(&Holding::id, target())));
  });
  EXPECT_EQ(gone.wait(), Completion::Wait::kDone);
  EXPECT_THAT(device().story(), Contains("released"));
  EXPECT_FALSE(machine.devices.device(target()));
  if (GetParam() == Who::kParent) {
    EXPECT_EQ(machine.text(), Machine().text());
  }
}

TEST_P(InHandler, DetachWithoutChildrenFollowsTheSameRules) {
  in_handler([&] {
    const auto detached = machine.devices.detach(target());
    EXPECT_EQ(detached.has_value(), GetParam() != Who::kParent);
  });
}

TEST_P(InHandler, MoveTakesEffectAtOnce) {
  const PioRange old = machine.devices.resources(target())->pio().front();
  in_handler([&] { EXPECT_TRUE(machine.devices.move_pio(target(), old, PioAddress(0x100))); });
  EXPECT_EQ(guest_in<std::uint8_t>(machine.io, 0x100), 0);
  EXPECT_EQ(guest_in<std::uint8_t>(machine.io, old.first().value()), 0xff);
}

TEST_P(InHandler, AttachBelowIt) {
  const auto device = fake::device({ports(0x40, 0x4f)});
  in_handler([&] {
    auto handle = machine.devices.attach(device, {.name = "new", .parent = target()});
    EXPECT_EQ(handle.has_value(), GetParam() == Who::kParent);
    if (handle) {
      handle->keep();
      EXPECT_EQ(guest_in<std::uint8_t>(machine.io, 0x40), 0);
    }
  });
}

TEST_P(InHandler, AttachThatFailsIsUndoneAtOnce) {
  const auto device = fake::device({ports(0x40, 0x4f), ports(0x20, 0x2f)});
  const std::string before = machine.text();
  in_handler([&] {
    EXPECT_FALSE(machine.devices.attach(device, {.name = "new"}));
    EXPECT_EQ(machine.text(), before);
    {
      const auto pending = machine.devices.begin(fake::device({ports(0x40, 0x4f)}), {.name = "new"});
    }
    EXPECT_EQ(machine.text(), before);
  });
}

TEST_P(InHandler, LookingAndServing) {
  in_handler([&] {
    std::uint8_t data[1];
    const PioAddress port = machine.devices.resources(target())->pio().front().first();
    EXPECT_TRUE(machine.devices.device(target()));
    EXPECT_EQ(machine.devices.resolve(port)->id, target());
    EXPECT_TRUE(machine.devices.serve_read(port, data));
    EXPECT_TRUE(machine.devices.serve_write(port, data));
    EXPECT_TRUE(machine.devices.find("parent/self"));
    EXPECT_EQ(machine.devices.view().devices.size(), 3u);
    EXPECT_TRUE(machine.devices == machine.devices);
  });
}

INSTANTIATE_TEST_SUITE_P(Targets, InHandler, ::testing::Values(Who::kSelf, Who::kOther, Who::kParent));

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
  auto tree = std::make_unique<Tree>();
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
  EXPECT_THAT(self->story(), ::testing::ElementsAre(::testing::StartsWith("assigned"), "read", "released"));
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
