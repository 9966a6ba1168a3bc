// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/device_manager.h"

#include <array>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake/bus.h"
#include "fake/machine.h"
#include "keel/device/plain_device.h"

namespace keel {
namespace {

using fake::attach;
using fake::guest_in;
using fake::guest_load;
using fake::guest_out;
using fake::Machine;
using fake::memory_of;
using fake::mmio_at;
using fake::ports;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <typename T>
ErrorCode code(const Result<T>& result) {
  return result.error().code();
}

// Attach and detach.

TEST(DeviceManager, AttachGivesAPlaceAndDetachTakesAllOfItBack) {
  Machine machine;
  const std::string empty = machine.text();
  const auto serial = fake::device({ports(0x3f8, 0x3ff), LegacyIrqConstraint{.gsi = Gsi(6)}});
  serial->value = 0x60;

  auto handle = machine.devices.attach(serial, {.name = "com1"});
  ASSERT_TRUE(handle) << handle.error().message();
  EXPECT_EQ(handle->id(), InstanceId(1));
  EXPECT_EQ(to_string(*machine.devices.resources(handle->id())), "pio [0x3f8, 0x3ff], irq 6");
  EXPECT_EQ(guest_in<std::uint8_t>(machine.io, 0x3fd), 0x60);
  EXPECT_THAT(machine.hooks.book.text(), HasSubstr("line of irq 6 to \"com1\""));

  const auto gone = machine.devices.detach(handle->id());
  ASSERT_TRUE(gone) << gone.error().message();
  EXPECT_TRUE(gone->done());
  EXPECT_EQ(machine.text(), empty);
  EXPECT_EQ(guest_in<std::uint8_t>(machine.io, 0x3fd), 0xff);
  EXPECT_THAT(serial->story(), ElementsAre("assigned pio [0x3f8, 0x3ff], irq 6", "read", "released"));
}

TEST(DeviceManager, RequestsMayLeaveAddressesOpen) {
  Machine machine;
  const InstanceId first =
      attach(machine, fake::device({PioConstraint{.size = 8}, MmioConstraint{.size = 0x1000}}), "a");
  const InstanceId second = attach(machine, fake::device({PioConstraint{.size = 8}, LegacyIrqConstraint{}}), "b");
  EXPECT_EQ(to_string(*machine.devices.resources(first)), "pio [0x0, 0x7], mmio [0xd0000000, 0xd0000fff]");
  EXPECT_EQ(to_string(*machine.devices.resources(second)), "pio [0x8, 0xf], irq 5");
}

TEST(DeviceManager, TheRequestsConstraintsReplaceTheDevicesOwn) {
  Machine machine;
  const auto id = machine.devices
                      .attach(fake::device({ports(0x10, 0x1f)}),
                              {.name = "a", .constraints = ResourceConstraints{ports(0x20, 0x2f)}, .id = InstanceId(9)})
                      ->keep();
  EXPECT_EQ(id, InstanceId(9));
  EXPECT_EQ(to_string(*machine.devices.resources(id)), "pio [0x20, 0x2f]");
}

TEST(DeviceManager, ADeviceKnowsItsResourcesBeforeItsFirstAccess) {
  Machine machine;
  const auto device = fake::device({ports(0x10, 0x1f), MmioConstraint{.size = 0x1000}, LegacyIrqConstraint{}});
  std::uint8_t seen = 0;
  DeviceResources told;
  device->value = 1;
  device->in_assign = [&](const Assignment& assignment) -> Result<void> {
    EXPECT_EQ(assignment.id, InstanceId(1));
    told = assignment.resources;
    seen = guest_in<std::uint8_t>(machine.io, 0x10);  // nobody yet
    return {};
  };
  const InstanceId id = attach(machine, device, "a");
  EXPECT_EQ(seen, 0xff);
  EXPECT_EQ(guest_in<std::uint8_t>(machine.io, 0x10), 1);
  // The final ones: what it left open is decided.
  EXPECT_EQ(to_string(told), "pio [0x10, 0x1f], mmio [0xd0000000, 0xd0000fff], irq 5");
  EXPECT_EQ(told, *machine.devices.resources(id));
}

TEST(DeviceManager, ReportsADevicesResourcesAndWhichOfThemAreTrapped) {
  Machine machine;
  const auto device = fake::device({ports(0x10, 0x1f), MmioConstraint{.size = 0x1000}, memory_of(0x1000),
                                    LegacyIrqConstraint{}, MsiConstraint{.kind = MsiKind::kPciMsix, .count = 2}});
  device->host.resize(0x1000);
  const InstanceId id = attach(machine, device, "a");
  const DeviceResources resources = machine.devices.resources(id).value();
  EXPECT_EQ(to_string(resources),
            "pio [0x10, 0x1f], mmio [0xd0000000, 0xd0000fff], memory-backed mmio [0x1000000000, 0x1000000fff] slot 0, "
            "irq 5, pci-msix gsis [24, 25]");
  EXPECT_THAT(resources.pio(), ElementsAre(machine.io.pio_entries().front().range()));
  EXPECT_THAT(resources.mmio(), ElementsAre(machine.io.mmio_entries().front().range()));
  EXPECT_EQ(machine.io.pio_entries().size() + machine.io.mmio_entries().size(), 2u);
  EXPECT_EQ(code(machine.devices.resources(InstanceId(7))), ErrorCode::kNotFound);
}

TEST(DeviceManager, ADeviceGetsAWireForEachIrqAndNeverItsNumber) {
  Machine machine;
  const auto device = fake::device({LegacyIrqConstraint{}, LegacyIrqConstraint{}});
  device->in_assign = [](const Assignment& assignment) -> Result<void> {
    EXPECT_EQ(assignment.lines.size(), 2u);
    return assignment.lines[1]->raise();
  };
  attach(machine, device, "a");
  EXPECT_TRUE(machine.hooks.latest_line.load()->wire.is_high());
}

TEST(DeviceManager, WiresAreThereUntilTheDeviceIsReleased) {
  Machine machine;
  const auto device = fake::device({LegacyIrqConstraint{}});
  LevelInterrupt* wire = nullptr;
  device->in_assign = [&](const Assignment& assignment) -> Result<void> {
    wire = assignment.lines[0].get();
    return wire->raise();
  };
  std::string held;
  device->in_released = [&] {
    EXPECT_TRUE(wire->lower());
    held = machine.text();
  };
  const InstanceId id = attach(machine, device, "a");
  ASSERT_TRUE(machine.devices.detach(id));
  EXPECT_THAT(held, HasSubstr("line of irq 5"));
  EXPECT_THAT(held, HasSubstr("1 \"a\": irq 5"));  // the lease is there too
}

TEST(DeviceManager, MemoryBackedMmioTakesAddressesAndASlotAndNeverTraps) {
  Machine machine;
  const auto device = fake::device({memory_of(0x2000)});
  device->host.resize(0x2000);
  const InstanceId id = attach(machine, device, "dax");
  EXPECT_EQ(to_string(*machine.devices.resources(id)), "memory-backed mmio [0x1000000000, 0x1000001fff] slot 0");
  EXPECT_THAT(machine.hooks.book.text(), HasSubstr("map memory-backed mmio [0x1000000000, 0x1000001fff] slot 0"));
  EXPECT_THAT(machine.io.mmio_entries(), IsEmpty());
  EXPECT_EQ(guest_load<std::uint8_t>(machine.io, 0x10'0000'0000), 0xff);
  EXPECT_THAT(device->story(), ::testing::SizeIs(1));  // assigned, and nothing since
  EXPECT_EQ(machine.devices.resolve(MmioAddress(0x10'0000'1fff))->id, id);
  const auto other = fake::device({MmioConstraint{.size = 0x1000, .place = MmioPlace::kAbove4GiB}});
  EXPECT_EQ(to_string(*machine.devices.resources(attach(machine, other, "b"))), "mmio [0x1000002000, 0x1000002fff]");
}

TEST(DeviceManager, AReservationTakesItsPlaceAndNothingElse) {
  Machine machine;
  const auto pit = std::make_shared<fake::MachineDevice>(
      ResourceConstraints{ports(0x40, 0x43), LegacyIrqConstraint{.gsi = Gsi(5)}}, DeviceRole::kReservation);
  attach(machine, pit, "pit");
  EXPECT_THAT(machine.io.pio_entries(), IsEmpty());
  EXPECT_EQ(machine.hooks.book.text(), "\n");
  EXPECT_EQ(machine.devices.resolve(PioAddress(0x43))->path, "pit");
  EXPECT_EQ(code(machine.devices.attach(fake::device({ports(0x43, 0x44)}), {.name = "x"})), ErrorCode::kOverlap);
  EXPECT_TRUE(machine.devices.detach(InstanceId(1)));
  EXPECT_EQ(machine.text(), Machine().text());
}

TEST(DeviceManager, ADetachedDeviceCanBeAttachedAgain) {
  Machine machine;
  const auto device = fake::device({ports(0x10, 0x1f)});
  for (int round = 0; round < 3; ++round) {
    const InstanceId id = attach(machine, device, "a");
    EXPECT_EQ(id, InstanceId(1));
    EXPECT_EQ(guest_in<std::uint8_t>(machine.io, 0x10), 0);
    ASSERT_TRUE(machine.devices.detach(id));
  }
  EXPECT_EQ(machine.text(), Machine().text());
}

TEST(DeviceManager, ItsEndDetachesAllInReverse) {
  std::vector<std::string> order;
  const auto first = fake::bus();
  const auto child = fake::device({ports(0x10, 0x1f)});
  const auto last = fake::device({ports(0x20, 0x2f)});
  first->in_released = [&] { order.emplace_back("bus"); };
  child->in_released = [&] { order.emplace_back("child"); };
  last->in_released = [&] { order.emplace_back("last"); };
  {
    Machine machine;
    const InstanceId id = attach(machine, first, "bus");
    attach(machine, last, "last");
    attach(machine, child, "child", id);
  }
  EXPECT_THAT(order, ElementsAre("last", "child", "bus"));
}

TEST(DeviceManager, NothingIsAttachedWhileItEnds) {
  const auto device = fake::device();
  ErrorCode refused = ErrorCode::kIo;
  {
    Machine machine;
    device->in_released = [&] { refused = code(machine.devices.attach(fake::device(), {.name = "late"})); };
    attach(machine, device, "a");
  }
  EXPECT_EQ(refused, ErrorCode::kInvalidState);
}

// The tree.

TEST(DeviceManager, BusesAreDevicesAndCarryOthers) {
  Machine machine;
  const InstanceId pci = attach(machine, fake::bus({ports(0xcf8, 0xcff)}), "pci0");
  const InstanceId bridge = attach(machine, fake::bus(), "bridge", pci);
  const InstanceId net = attach(machine, fake::device(), "net0", bridge);
  const InstanceId com = attach(machine, fake::device(), "com1");

  EXPECT_EQ(*machine.devices.find("pci0/bridge/net0"), net);
  EXPECT_EQ(*machine.devices.find("com1"), com);
  const PlatformView view = machine.devices.view();
  EXPECT_EQ(to_string(view),
            "1 \"pci0\" bus \"test-bus\" at \"pci0\": pio [0xcf8, 0xcff]\n"
            "  2 \"bridge\" bus \"test-bus\" at \"pci0/bridge\" below 1: \n"
            "    3 \"net0\" device \"test\" at \"pci0/bridge/net0\" below 2: \n"
            "4 \"com1\" device \"test\" at \"com1\": \n");
}

TEST(DeviceManager, NamesAreUniqueAmongSiblingsOnly) {
  Machine machine;
  const InstanceId left = attach(machine, fake::bus(), "left");
  const InstanceId right = attach(machine, fake::bus(), "right");
  attach(machine, fake::device(), "net0", left);
  attach(machine, fake::device(), "net0", right);
  attach(machine, fake::device(), "net0");
  EXPECT_EQ(code(machine.devices.attach(fake::device(), {.name = "net0", .parent = left})), ErrorCode::kAlreadyExists);
  EXPECT_EQ(code(machine.devices.attach(fake::device(), {.name = "net0"})), ErrorCode::kAlreadyExists);
}

TEST(DeviceManager, ABusWithChildrenIsKeptOrGoesWithThemAsAsked) {
  Machine machine;
  const std::string empty = machine.text();
  const InstanceId pci = attach(machine, fake::bus({ports(0xcf8, 0xcff)}), "pci0");
  const InstanceId bridge = attach(machine, fake::bus(), "bridge", pci);
  attach(machine, fake::device({mmio_at(0xd000'0000, 0x1000)}), "net0", bridge);
  const std::string full = machine.text();

  EXPECT_EQ(code(machine.devices.detach(pci)), ErrorCode::kInvalidState);
  EXPECT_EQ(machine.text(), full);
  const auto gone = machine.devices.detach(pci, Children::kRemove);
  ASSERT_TRUE(gone);
  EXPECT_TRUE(gone->done());
  EXPECT_EQ(machine.text(), empty);
}

TEST(DeviceManager, ManagersAreEqualWithTheSameDevicesInTheSamePlaces) {
  Machine one;
  Machine same;
  Machine alike;
  Machine moved;
  EXPECT_TRUE(one.devices == same.devices);
  const auto device = fake::device({PioConstraint{.size = 8}});
  attach(one, device, "a");
  EXPECT_FALSE(one.devices == same.devices);
  attach(same, device, "a");
  EXPECT_TRUE(one.devices == same.devices);

  attach(alike, fake::device({PioConstraint{.size = 8}}), "a");
  EXPECT_TRUE(one.devices.view() == alike.devices.view());
  EXPECT_FALSE(one.devices == alike.devices) << "another device in the same place";
  auto elsewhere = moved.devices.attach(device, {.name = "a", .constraints = ResourceConstraints{ports(0x10, 0x17)}});
  ASSERT_TRUE(elsewhere);
  EXPECT_FALSE(one.devices == moved.devices) << "the same device in another place";
}

TEST(DeviceManager, GivesADeviceBackAsTheTypeItIs) {
  Machine machine;
  const auto device = fake::device();
  const InstanceId id = attach(machine, device, "a");
  EXPECT_EQ(machine.devices.device_as<fake::MachineDevice>(id), device);
  EXPECT_EQ(machine.devices.device_as<PlainDevice>(id), nullptr);
  EXPECT_EQ(machine.devices.device_as<fake::MachineDevice>(InstanceId(7)), nullptr);
}

// Addresses.

TEST(DeviceManager, ResolvesAnAddressToItsDevice) {
  Machine machine;
  const auto device = fake::device({ports(0x10, 0x1f), mmio_at(0xd000'1000, 0x1000)});
  const InstanceId id = attach(machine, device, "a");
  const auto at_port = machine.devices.resolve(PioAddress(0x1f));
  ASSERT_TRUE(at_port);
  EXPECT_EQ(at_port->id, id);
  EXPECT_EQ(at_port->path, "a");
  EXPECT_EQ(at_port->device, device);
  EXPECT_EQ(to_string(at_port->resource), "pio [0x10, 0x1f]");
  EXPECT_EQ(to_string(machine.devices.resolve(MmioAddress(0xd000'1000))->resource), "mmio [0xd0001000, 0xd0001fff]");
  EXPECT_EQ(code(machine.devices.resolve(PioAddress(0x20))), ErrorCode::kNotFound);
  EXPECT_EQ(code(machine.devices.resolve(MmioAddress(0x10))), ErrorCode::kNotFound);
}

TEST(DeviceManager, ServesAnExitAndTellsWhenNobodyDid) {
  Machine machine;
  const auto device = fake::device({ports(0x10, 0x1f), mmio_at(0xd000'1000, 0x1000)});
  device->value = 0x2a;
  attach(machine, device, "a");
  std::array<std::uint8_t, 2> data{};
  EXPECT_TRUE(machine.devices.serve_read(PioAddress(0x10), data));
  EXPECT_THAT(data, ElementsAre(0x2a, 0x2a));
  EXPECT_TRUE(machine.devices.serve_write(MmioAddress(0xd000'1ffe), data));

  EXPECT_EQ(code(machine.devices.serve_read(PioAddress(0x1f), data)), ErrorCode::kOutOfBounds);
  EXPECT_THAT(data, ElementsAre(0xff, 0xff));
  data = {};
  EXPECT_EQ(code(machine.devices.serve_read(MmioAddress(0x10), data)), ErrorCode::kNotFound);
  EXPECT_THAT(data, ElementsAre(0xff, 0xff));
  EXPECT_EQ(code(machine.devices.serve_write(PioAddress(0x80), data)), ErrorCode::kNotFound);
  EXPECT_EQ(code(machine.devices.serve_write(PioAddress(0xffff), data)), ErrorCode::kNotFound);
  EXPECT_EQ(code(machine.devices.serve_read(PioAddress(0x10), {})), ErrorCode::kInvalidArgument);
}

// Moving.

TEST(DeviceManager, MovesARangeInAllocatorBusAndHooksAtOnce) {
  Machine machine;
  const auto device = fake::device({mmio_at(0xd000'0000, 0x1000), ports(0x10, 0x1f)});
  device->value = 7;
  const InstanceId id = attach(machine, device, "a");
  const auto range = MmioRange::constant(0xd000'0000, 0xd000'0fff);
  ASSERT_TRUE(machine.devices.move_mmio(id, range, MmioAddress(0x10'0000'0000)));
  EXPECT_EQ(to_string(*machine.devices.resources(id)), "mmio [0x1000000000, 0x1000000fff], pio [0x10, 0x1f]");
  EXPECT_EQ(guest_load<std::uint8_t>(machine.io, 0x10'0000'0000), 7);
  EXPECT_EQ(guest_load<std::uint8_t>(machine.io, 0xd000'0000), 0xff);
  EXPECT_EQ(machine.hooks.book.text(), "doorbell at mmio [0x1000000000, 0x1000000fff]\ndoorbell at pio [0x10, 0x1f]\n");
  // The old range is another device's to take.
  attach(machine, fake::device({mmio_at(0xd000'0000, 0x1000)}), "b");
  ASSERT_TRUE(machine.devices.move_pio(id, PioRange::constant(0x10, 0x1f), PioAddress(0xfff0)));
  EXPECT_EQ(guest_in<std::uint8_t>(machine.io, 0xffff), 7);
  ASSERT_TRUE(machine.devices.detach(id));
  ASSERT_TRUE(machine.devices.detach(InstanceId(2)));
  EXPECT_EQ(machine.text(), Machine().text());
}

TEST(DeviceManager, ARangeMayMoveOntoItself) {
  Machine machine;
  const auto device = fake::device({mmio_at(0xd000'0000, 0x2000)});
  const InstanceId id = attach(machine, device, "a");
  const std::string before = machine.text();
  ASSERT_TRUE(machine.devices.move_mmio(id, MmioRange::constant(0xd000'0000, 0xd000'1fff), MmioAddress(0xd000'0000)));
  EXPECT_EQ(machine.text(), before);
  ASSERT_TRUE(machine.devices.move_mmio(id, MmioRange::constant(0xd000'0000, 0xd000'1fff), MmioAddress(0xd000'1000)));
  EXPECT_EQ(to_string(*machine.devices.resources(id)), "mmio [0xd0001000, 0xd0002fff]");
}

}  // namespace
}  // namespace keel
