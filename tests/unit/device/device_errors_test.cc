// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// What people read when something goes wrong, word for word: both parties, the numbers, and what to change.

#include "keel/device/device_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake/bus.h"
#include "fake/machine.h"
#include "keel/bus/handler_scope.h"
#include "keel/device/plain_device.h"

namespace keel {
namespace {

using fake::attach;
using fake::Machine;
using fake::memory_of;
using fake::mmio_at;
using fake::ports;

class DeviceErrors : public ::testing::Test {
 protected:
  // Why a device that asks for this is not attached. Everything stays as it was.
  std::string refused(const ResourceConstraints& asks, const AttachRequest& request = {.name = "new"}) {
    return refused(fake::device(asks), request);
  }
  std::string refused(std::shared_ptr<Device> device, const AttachRequest& request = {.name = "new"}) {
    const std::string before = machine.text();
    const auto handle = machine.devices.attach(std::move(device), request);
    EXPECT_EQ(machine.text(), before);
    return handle ? "attached" : handle.error().message();
  }
  std::string refused_as(const AttachRequest& request) { return refused(fake::device(), request); }
  template <typename T>
  std::string message(const Result<T>& result) {
    return result ? "success" : result.error().message();
  }

  Machine machine;
};

// Names and parents.

TEST_F(DeviceErrors, NoDevice) {
  EXPECT_EQ(refused(nullptr), "\"new\": no device was given to attach");
}

TEST_F(DeviceErrors, NoName) {
  EXPECT_EQ(refused_as({.name = ""}), "a test cannot be attached without a name; give it one that no sibling has");
}

TEST_F(DeviceErrors, APathIsNoName) {
  EXPECT_EQ(refused_as({.name = "pci0/net0"}),
            "\"pci0/net0\" is no name for a test: '/' stands between the names of a path; say the parent by its id");
}

TEST_F(DeviceErrors, QuotesAndControlCharactersAreNoPartOfAName) {
  const std::string why = " is no name for a test: names stand between quotes in messages, one to a line; leave out ";
  EXPECT_EQ(refused_as({.name = "net\"0\""}), R"("net\"0\"")" + why + R"('"')");
  EXPECT_EQ(refused_as({.name = "net0\n"}), R"("net0\n")" + why + R"('\n')");
  EXPECT_EQ(refused_as({.name = "\x7f"}), R"("\x7f")" + why + R"('\x7f')");
}

TEST_F(DeviceErrors, NameTaken) {
  attach(machine, fake::device(), "com1");
  EXPECT_EQ(refused_as({.name = "com1"}),
            "\"com1\": the name is taken by 1 \"com1\" (test); choose another, or detach that first");
}

TEST_F(DeviceErrors, NameTakenBelowABus) {
  const InstanceId bus = attach(machine, fake::bus(), "pci0");
  attach(machine, fake::device(), "net0", bus);
  EXPECT_EQ(refused_as({.name = "net0", .parent = bus}),
            "\"pci0/net0\": the name is taken by 2 \"pci0/net0\" (test); choose another, or detach that first");
}

TEST_F(DeviceErrors, UnknownParent) {
  EXPECT_EQ(refused_as({.name = "net0", .parent = InstanceId(7)}),
            "\"net0\": its parent 7 does not exist; this machine has no bus; attach it without a parent");
  attach(machine, fake::bus(), "pci0");
  attach(machine, fake::bus(), "pci1");
  EXPECT_EQ(refused_as({.name = "net0", .parent = InstanceId(7)}),
            "\"net0\": its parent 7 does not exist; the buses are: 1 \"pci0\", 2 \"pci1\"");
}

TEST_F(DeviceErrors, ParentIsNoBus) {
  attach(machine, fake::device(), "com1");
  EXPECT_EQ(refused_as({.name = "net0", .parent = InstanceId(1)}),
            "\"net0\": its parent 1 \"com1\" (test) is no bus; this machine has no bus; attach it without a parent");
}

TEST_F(DeviceErrors, ParentIsComingOrGoing) {
  const auto bus = fake::bus();
  std::string coming;
  bus->in_assign = [&](const Assignment& assignment) -> Result<void> {
    coming = refused_as({.name = "net0", .parent = assignment.id});
    return {};
  };
  attach(machine, bus, "pci0");
  EXPECT_EQ(coming, "\"net0\": its parent 1 \"pci0\" (test-bus) is being attached; attach it when that is done");
}

TEST_F(DeviceErrors, AttachedAlready) {
  const auto device = fake::device();
  attach(machine, device, "com1");
  EXPECT_EQ(refused(device, {.name = "com2"}),
            "\"com2\": this test is attached already, as 1 \"com1\"; detach it first, or make another");
}

TEST_F(DeviceErrors, NotReleasedYet) {
  const auto device = fake::device();
  std::string said;
  device->in_released = [&] { said = message(machine.devices.attach(device, {.name = "com2"})); };
  attach(machine, device, "com1");
  ASSERT_TRUE(machine.devices.detach(InstanceId(1)));
  EXPECT_EQ(said,
            "\"com2\": this test was 1 \"com1\" and is not released yet; wait for its Detachment, or attach "
            "another one");
}

TEST_F(DeviceErrors, InstanceIdTaken) {
  attach(machine, fake::device(), "com1");
  EXPECT_EQ(refused_as({.name = "new", .id = InstanceId(1)}),
            "\"new\": instance id (1) failed: instance id 1 is taken; free it first, or leave the number open: 2 is "
            "the lowest free one; held by: 1 \"com1\"");
}

// Resources.

TEST_F(DeviceErrors, PortsTaken) {
  attach(machine, fake::device({ports(0x3f8, 0x3ff)}), "com1");
  EXPECT_EQ(
      refused({ports(0x10, 0x1f), ports(0x3fc, 0x403)}),
      "\"new\": I/O resource 1 (pio [0x3fc, 0x403]) failed: pio: [0x3fc, 0x403] for \"new\" overlaps [0x3f8, 0x3ff] "
      "held by \"com1\"; free that first, or leave the address open: [0x0, 0x7] is the lowest place that fits");
}

TEST_F(DeviceErrors, MmioTaken) {
  attach(machine, fake::device({mmio_at(0xd000'1000, 0x1000)}), "net0");
  EXPECT_EQ(refused({mmio_at(0xd000'1800, 0x1000)}),
            "\"new\": I/O resource 0 (mmio [0xd0001800, 0xd00027ff]) failed: mmio below 4 GiB: [0xd0001800, "
            "0xd00027ff] for \"new\" overlaps [0xd0001000, 0xd0001fff] held by \"net0\"; free that first, or leave the "
            "address open: [0xd0000000, 0xd0000fff] is the lowest place that fits");
}

TEST_F(DeviceErrors, NoHoleLargeEnough) {
  attach(machine, fake::device({mmio_at(0xd000'4000, 0x1000)}), "net0");
  attach(machine, fake::device({MmioConstraint{.size = 0x8000, .alignment = 0x8000}}), "net1");
  EXPECT_EQ(
      refused({MmioConstraint{.size = 0x8000, .alignment = 0x8000, .place = MmioPlace::kBelow4GiB}}),
      "\"new\": I/O resource 0 (mmio of size 0x8000 aligned to 0x8000) failed: mmio below 4 GiB: no room for 0x8000 "
      "addresses aligned to 0x8000 in [0xd0000000, 0xd000ffff] for \"new\": 0x7000 are free there, the largest hole so "
      "aligned is [0xd0000000, 0xd0003fff] (0x4000); ask for at most 0x4000, free a range or widen the bounds; held "
      "by: [0xd0004000, 0xd0004fff] \"net0\", [0xd0008000, 0xd000ffff] \"net1\"");
}

TEST_F(DeviceErrors, OutsideTheMachine) {
  EXPECT_EQ(
      refused({MmioConstraint{.size = 0x1000, .within = MmioRange::constant(0x1000, 0x1fff)}}),
      "\"new\": I/O resource 0 (mmio [0x1000, 0x1fff]) failed: [0x1000, 0x1fff] lies in no mmio window of this "
      "machine (mmio below 4 GiB [0xd0000000, 0xd000ffff], mmio above 4 GiB [0x1000000000, 0x10ffffffff]); choose "
      "a place inside one of them");
  // Half inside is not inside.
  EXPECT_EQ(refused({mmio_at(0xd000'f800, 0x1000)}),
            "\"new\": I/O resource 0 (mmio [0xd000f800, 0xd00107ff]) failed: [0xd000f800, 0xd00107ff] lies in no mmio "
            "window of this machine (mmio below 4 GiB [0xd0000000, 0xd000ffff], mmio above 4 GiB [0x1000000000, "
            "0x10ffffffff]); choose a place inside one of them");
  EXPECT_EQ(
      refused({MmioConstraint{
          .size = 0x1000, .within = MmioRange::constant(0x1000, 0x8fff), .place = MmioPlace::kPreferAbove}}),
      "\"new\": I/O resource 0 (mmio of size 0x1000 aligned to 0x1000 in [0x1000, 0x8fff]) failed: [0x1000, "
      "0x8fff] lies in no mmio window of this machine (mmio below 4 GiB [0xd0000000, 0xd000ffff], mmio above 4 GiB "
      "[0x1000000000, 0x10ffffffff]); choose a place inside one of them");
}

TEST_F(DeviceErrors, NoRoomInEitherWindow) {
  attach(machine, fake::device({mmio_at(0xd000'8000, 0x1000)}), "net0");
  attach(machine, fake::device({mmio_at(0x10'8000'0000, 0x1000)}), "gpu");
  EXPECT_EQ(refused({MmioConstraint{.size = 0x8000'1000, .place = MmioPlace::kPreferAbove}}),
            "\"new\": I/O resource 0 (mmio of size 0x80001000 aligned to 0x1000) failed: mmio above 4 GiB: no room for "
            "0x80001000 addresses aligned to 0x1000 in [0x1000000000, 0x10ffffffff] for \"new\": 0xfffff000 are free "
            "there, the largest hole so aligned is [0x1000000000, 0x107fffffff] (0x80000000); ask for at most "
            "0x80000000, free a range or widen the bounds; held by: [0x1080000000, 0x1080000fff] \"gpu\"; and mmio "
            "below 4 GiB: no room for 0x80001000 addresses aligned to 0x1000 in [0xd0000000, 0xd000ffff] for \"new\", "
            "which are only 0x10000 addresses; ask for less or widen the bounds");
  // What no window could do is said once.
  EXPECT_EQ(refused({MmioConstraint{.size = 8, .alignment = 3, .place = MmioPlace::kPreferAbove}}),
            "\"new\": I/O resource 0 (mmio of size 0x8 aligned to 0x3) failed: mmio above 4 GiB: alignment 0x3 for "
            "\"new\" is not a power of two");
}

TEST_F(DeviceErrors, IrqTaken) {
  attach(machine, fake::device({LegacyIrqConstraint{.gsi = Gsi(6)}}), "com1");
  EXPECT_EQ(refused({LegacyIrqConstraint{.gsi = Gsi(6)}}),
            "\"new\": IRQ, resource 0 (irq 6) failed: irq 6 is taken; free it first, or leave the number open: 5 is "
            "the lowest free one; held by: 6 \"com1\"");
}

TEST_F(DeviceErrors, IrqsExhausted) {
  attach(machine, fake::device({LegacyIrqConstraint{}}), "com1");
  attach(machine, fake::device({LegacyIrqConstraint{}, LegacyIrqConstraint{}}), "com2");
  EXPECT_EQ(refused({ports(0x10, 0x1f), LegacyIrqConstraint{}}),
            "\"new\": IRQ, resource 1 (any irq) failed: no irq is left: all 3 of [5, 7] are taken; free one or widen "
            "the range; held by: 5 \"com1\", 6 \"com2\", 7 \"com2\"");
}

TEST_F(DeviceErrors, MsisExhausted) {
  attach(machine, fake::device({MsiConstraint{.kind = MsiKind::kPciMsix, .count = 5}}), "net0");
  EXPECT_EQ(refused({MsiConstraint{.kind = MsiKind::kPciMsix, .count = 4}}),
            "\"new\": MSI, resource 0 (4 pci-msix vectors) failed: no 4 msi gsis in a row are left in [24, 31]: 3 are "
            "free, the longest run is 3 from 29; ask for at most 3, or free or widen; held by: [24, 28] \"net0\"");
}

TEST_F(DeviceErrors, MemorySlotsExhausted) {
  attach(machine, fake::device({MemorySlotConstraint{.count = 4}}), "dimm0");
  EXPECT_EQ(refused({memory_of(0x1000)}),
            "\"new\": I/O resource 0 (memory-backed mmio of size 0x1000 aligned to 0x1000) failed: no memory slot is "
            "left: all 4 of [0, 3] are taken; free one or widen the range; held by: [0, 3] \"dimm0\"");
}

TEST_F(DeviceErrors, AlignmentIsNoPowerOfTwo) {
  EXPECT_EQ(refused({PioConstraint{.size = 8, .alignment = 3}}),
            "\"new\": I/O resource 0 (pio of size 0x8 aligned to 0x3) failed: pio: alignment 0x3 for \"new\" is not a "
            "power of two");
}

TEST(DeviceErrorsElsewhere, NoPortsInThisMachine) {
  Machine machine(nullptr, {.mmio_low = MmioRange::constant(0xd000'0000, 0xd000'ffff)});
  EXPECT_EQ(machine.devices.attach(fake::device({ports(0x10, 0x1f)}), {.name = "com1"}).error().message(),
            "\"com1\": I/O resource 0 (pio [0x10, 0x1f]) failed: this machine has no pio space; give it some in "
            "SystemConfig::pio");
}

// Devices and hooks.

TEST_F(DeviceErrors, DeviceRefuses) {
  const auto device = fake::device({ports(0x10, 0x1f)});
  device->in_assign = [](const Assignment&) { return fail(ErrorCode::kUnsupported, "its ports must lie above 0x100"); };
  EXPECT_EQ(refused(device), "\"new\": the test refuses pio [0x10, 0x1f]: its ports must lie above 0x100");
}

TEST_F(DeviceErrors, WrongNumberOfSockets) {
  EXPECT_EQ(refused(std::make_shared<PlainDevice>(
                PlainDevice::Parts{.type = "uart", .constraints = {LegacyIrqConstraint{}}})),
            "\"new\": the uart refuses irq 5: it has sockets for 0 interrupt lines and was given 1");
}

TEST_F(DeviceErrors, NobodyAnswers) {
  const auto device = fake::device({mmio_at(0xd000'0000, 0x1000)});
  device->answers = false;
  EXPECT_EQ(refused(device),
            "\"new\": the test has mmio [0xd0000000, 0xd0000fff] and does not answer there (its Device::mmio() is "
            "null); let it ask for none");
}

TEST_F(DeviceErrors, MemoryOfAnotherSize) {
  const auto device = fake::device({memory_of(0x2000)});
  device->host.resize(0x1000);
  EXPECT_EQ(
      refused(device),
      "\"new\": the test brings 0x1000 bytes of memory for memory-backed mmio [0x1000000000, 0x1000001fff] slot 0, "
      "which has 0x2000");
}

TEST(DeviceErrorsElsewhere, NoHooks) {
  IoManager io;
  DeviceManager devices(SystemAllocator<Mutex>::create(fake::small_machine()).value(), io);
  EXPECT_EQ(devices.attach(fake::device({LegacyIrqConstraint{}}), {.name = "com1"}).error().message(),
            "\"com1\" has irq 5, and this machine connects no interrupt lines; give it an InterruptFactory");
  EXPECT_EQ(devices.attach(fake::device({memory_of(0x1000)}), {.name = "dax"}).error().message(),
            "\"dax\" has memory-backed mmio [0x1000000000, 0x1000000fff] slot 0, and this machine maps no memory; give "
            "it a MemoryMapper");
}

struct FailAt final : FaultInjector {
  explicit FailAt(std::string_view step) : at(step) {}
  Result<void> before(std::string_view step) override {
    return step == at ? fail(ErrorCode::kIo, "Too many open files") : Result<void>();
  }
  std::string at;
};

// Why a device with one of each is not attached when the host fails at `step`.
std::string failed_at(std::string_view step) {
  FailAt faults(step);
  Machine machine(&faults);
  const auto device = fake::device({ports(0x10, 0x1f), memory_of(0x1000), LegacyIrqConstraint{}});
  device->host.resize(0x1000);
  return machine.devices.attach(device, {.name = "net0"}).error().message();
}

TEST(DeviceErrorsElsewhere, TheHostRefuses) {
  EXPECT_EQ(failed_at("irqfd"), "\"net0\": the line of irq 5 failed: Too many open files");
  EXPECT_EQ(failed_at("ioeventfd"), "\"net0\": doorbell for pio [0x10, 0x1f] failed: Too many open files");
  EXPECT_EQ(failed_at("set memory region"),
            "\"net0\": mapping memory-backed mmio [0x1000000000, 0x1000000fff] slot 0 failed: Too many open files");
}

TEST_F(DeviceErrors, RegisteredBehindTheManagersBack) {
  ASSERT_TRUE(machine.io.register_pio(PioRange::constant(0x18, 0x27), fake::device(), "smuggler"));
  EXPECT_EQ(
      refused({ports(0x10, 0x1f)}),
      "\"new\": registration failed: pio [0x10, 0x1f] \"new\" overlaps [0x18, 0x27] \"smuggler\"; deregister that "
      "first, or choose another range");
}

// Detaching and moving.

TEST_F(DeviceErrors, DetachUnknown) {
  EXPECT_EQ(message(machine.devices.detach(InstanceId(3))), "no device has the id 3 (was it detached twice?)");
}

TEST_F(DeviceErrors, DetachABusWithChildren) {
  const InstanceId bus = attach(machine, fake::bus(), "pci0");
  attach(machine, fake::device(), "net0", bus);
  attach(machine, fake::device(), "net1", bus);
  EXPECT_EQ(message(machine.devices.detach(bus)),
            "bus 1 \"pci0\" (test-bus) cannot be detached: it carries 2 \"pci0/net0\" (test), 3 \"pci0/net1\" (test); "
            "detach those first, or ask for Children::kRemove");
}

TEST_F(DeviceErrors, DetachTwice) {
  const auto device = fake::device();
  std::string twice;
  device->in_released = [&] { twice = message(machine.devices.detach(InstanceId(1))); };
  attach(machine, device, "net0");
  ASSERT_TRUE(machine.devices.detach(InstanceId(1)));
  EXPECT_EQ(twice, "device 1 \"net0\" is detached already, and waits for the last I/O inside it to end");
}

TEST_F(DeviceErrors, DetachWhileAttaching) {
  const auto device = fake::device();
  std::string said;
  std::string looked;
  device->in_assign = [&](const Assignment& assignment) -> Result<void> {
    said = message(machine.devices.detach(assignment.id));
    looked = message(machine.devices.resources(assignment.id));
    return {};
  };
  attach(machine, device, "net0");
  EXPECT_EQ(said, "device 1 \"net0\" (test) cannot be detached: it is being attached; try again when that is done");
  EXPECT_EQ(looked, "device 1 \"net0\" (test) is still being attached");
}

TEST_F(DeviceErrors, DetachByAStaleHandle) {
  auto handle = machine.devices.attach(fake::device(), {.name = "old"}).value();
  ASSERT_TRUE(machine.devices.detach(handle.id()));
  attach(machine, fake::device(), "new");
  EXPECT_EQ(message(handle.detach()),
            "the device of this handle is detached already; its id is now that of 1 \"new\" (test)");
  handle.keep();
  EXPECT_EQ(message(handle.detach()), "this handle owns no device: it was detached, or its manager is gone");
}

TEST_F(DeviceErrors, MoveToATakenAddress) {
  attach(machine, fake::device({mmio_at(0xd000'0000, 0x1000)}), "net0");
  attach(machine, fake::device({mmio_at(0xd000'1000, 0x1000)}), "net1");
  EXPECT_EQ(message(machine.devices.move_mmio(InstanceId(1), MmioRange::constant(0xd000'0000, 0xd000'0fff),
                                              MmioAddress(0xd000'0800))),
            "\"net0\": moving mmio [0xd0000000, 0xd0000fff] to mmio [0xd0000800, 0xd00017ff] failed: mmio below 4 GiB: "
            "[0xd0000800, 0xd00017ff] for \"net0\" overlaps [0xd0001000, 0xd0001fff] held by \"net1\"; free that "
            "first, or leave the address open: [0xd0000000, 0xd0000fff] is the lowest place that fits");
}

TEST_F(DeviceErrors, MoveOutOfTheWindow) {
  attach(machine, fake::device({mmio_at(0xd000'0000, 0x1000)}), "net0");
  EXPECT_EQ(message(machine.devices.move_mmio(InstanceId(1), MmioRange::constant(0xd000'0000, 0xd000'0fff),
                                              MmioAddress(0xd000'f800))),
            "\"net0\": moving mmio [0xd0000000, 0xd0000fff] to mmio [0xd000f800, 0xd00107ff] failed: [0xd000f800, "
            "0xd00107ff] lies in no mmio window of this machine (mmio below 4 GiB [0xd0000000, 0xd000ffff], mmio above "
            "4 GiB [0x1000000000, 0x10ffffffff]); choose a place inside one of them");
}

TEST_F(DeviceErrors, MovePastTheTop) {
  attach(machine, fake::device({ports(0x10, 0x1f)}), "com1");
  EXPECT_EQ(message(machine.devices.move_pio(InstanceId(1), PioRange::constant(0x10, 0x1f), PioAddress(0xfff8))),
            "pio [0x10, 0x1f] of device 1 moved to 0xfff8 would pass the top of the address space (0xffff)");
}

TEST_F(DeviceErrors, MoveWhatItHasNot) {
  attach(machine, fake::device({ports(0x10, 0x1f), LegacyIrqConstraint{}}), "com1");
  EXPECT_EQ(message(machine.devices.move_pio(InstanceId(1), PioRange::constant(0x10, 0x17), PioAddress(0x40))),
            "device 1 \"com1\" (test) has no pio [0x10, 0x17] to move; it has: pio [0x10, 0x1f], irq 5");
}

TEST_F(DeviceErrors, MoveMemory) {
  const auto device = fake::device({memory_of(0x1000)});
  device->host.resize(0x1000);
  attach(machine, device, "dax");
  EXPECT_EQ(message(machine.devices.move_mmio(InstanceId(1), MmioRange::constant(0x10'0000'0000, 0x10'0000'0fff),
                                              MmioAddress(0x10'0001'0000))),
            "device 1 \"dax\" (test): memory-backed mmio [0x1000000000, 0x1000000fff] slot 0 stays where it is; detach "
            "the device to move it");
}

TEST_F(DeviceErrors, MoveOntoWhatWasRegisteredBehindTheManagersBack) {
  attach(machine, fake::device({ports(0x10, 0x1f)}), "com1");
  ASSERT_TRUE(machine.io.register_pio(PioRange::constant(0x48, 0x57), fake::device(), "smuggler"));
  const std::string before = machine.text();
  EXPECT_EQ(message(machine.devices.move_pio(InstanceId(1), PioRange::constant(0x10, 0x1f), PioAddress(0x40))),
            "\"com1\": moving pio [0x10, 0x1f] to pio [0x40, 0x4f] failed: pio [0x40, 0x4f] \"com1\" overlaps [0x48, "
            "0x57] \"smuggler\"; deregister that first, or choose another range");
  EXPECT_EQ(machine.text(), before);
}

// Looking and serving.

TEST_F(DeviceErrors, NobodyAtAnAddress) {
  EXPECT_EQ(message(machine.devices.resolve(PioAddress(0x80))),
            "pio 0x80: no device is there; below it nothing, above it nothing");
  attach(machine, fake::device({ports(0x60, 0x60), ports(0x70, 0x71)}), "rtc");
  attach(machine, fake::device({ports(0x3f8, 0x3ff)}), "com1");
  EXPECT_EQ(message(machine.devices.resolve(PioAddress(0x80))),
            "pio 0x80: no device is there; below it [0x70, 0x71] \"rtc\", above it [0x3f8, 0x3ff] \"com1\"");
  std::uint8_t data[4];
  EXPECT_EQ(message(machine.devices.serve_read(PioAddress(0x3fe), data)),
            "pio 0x3fe: an access of 4 bytes passes the end of [0x3f8, 0x3ff] \"com1\"");
  EXPECT_EQ(message(machine.devices.serve_read(PioAddress(0x80), data)),
            "pio 0x80: nothing is registered there; below it [0x70, 0x71] \"rtc\", above it [0x3f8, 0x3ff] \"com1\"");
}

TEST_F(DeviceErrors, NoSuchPath) {
  EXPECT_EQ(message(machine.devices.find("pci0")),
            "no device \"pci0\": there is no \"pci0\" in the machine, which has no devices");
  const InstanceId bus = attach(machine, fake::bus(), "pci0");
  attach(machine, fake::device(), "net0", bus);
  EXPECT_EQ(message(machine.devices.find("pci0/net1")),
            "no device \"pci0/net1\": there is no \"net1\" in \"pci0\", which has \"net0\"");
  EXPECT_EQ(message(machine.devices.find("pci0/")),
            "no device \"pci0/\": there is no \"\" in \"pci0\", which has \"net0\"");
}

}  // namespace
}  // namespace keel
