// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// A failure at every step of every kind of attach, move and detach: the state after equals the state before, byte for
// byte, and afterwards the same call succeeds.

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake/machine.h"
#include "support/fail_at_step.h"
#include "keel/device/device_manager.h"
#include "keel/device/plain_device.h"

namespace keel {
namespace {

using fake::attach;
using fake::Machine;
using fake::memory_of;
using fake::mmio_at;
using fake::ports;

struct Kind {
  std::string name;
  ResourceConstraints asks;
  std::optional<InstanceId> parent = std::nullopt;
  DeviceRole role = DeviceRole::kDevice;
  // In the order they are taken.
  std::vector<std::string> steps;
};

void PrintTo(const Kind& kind, std::ostream* out) {
  *out << kind.name;
}

constexpr InstanceId kBus(1);

// The device itself is one more who may fail.
std::shared_ptr<fake::MachineDevice> device_of(const Kind& kind, FaultInjector& faults) {
  auto device = std::make_shared<fake::MachineDevice>(kind.asks, kind.role);
  device->host.resize(0x1000);
  device->in_assign = [&faults](const Assignment&) { return faults.before("device accepts"); };
  return device;
}

// Two devices that are there before, one of them a bus.
struct Furnished {
  Furnished() {
    attach(machine, fake::bus({ports(0xcf8, 0xcff), mmio_at(0xd000'0000, 0x1000)}), "bus");
    attach(machine, fake::device({ports(0x3f8, 0x3ff), LegacyIrqConstraint{.gsi = Gsi(5)}}), "com1");
  }

  test::FailAtStep faults;
  Machine machine{&faults};
};

class AllOrNothing : public ::testing::TestWithParam<Kind>, public Furnished {};

TEST_P(AllOrNothing, AttachAndDetachInAllTheirSteps) {
  const Kind& kind = GetParam();
  const AttachRequest request{.name = "new", .parent = kind.parent};
  const std::string before = machine.text();
  const auto device = device_of(kind, faults);

  for (std::size_t step = 0; step < kind.steps.size(); ++step) {
    faults.arm(step);
    const auto handle = machine.devices.attach(device, request);
    ASSERT_FALSE(handle) << "step " << step << ", " << faults.steps().back();
    EXPECT_THAT(handle.error().message(), ::testing::EndsWith("injected"));
    EXPECT_EQ(faults.steps().back(), kind.steps[step]);
    EXPECT_EQ(machine.text(), before) << kind.steps[step];
  }

  faults.arm(test::FailAtStep::kNever);
  const InstanceId id = attach(machine, device, "new", kind.parent);
  EXPECT_EQ(faults.steps(), kind.steps);
  const std::string attached = machine.text();

  faults.arm(0);
  EXPECT_FALSE(machine.devices.detach(id));
  EXPECT_THAT(faults.steps(), ::testing::ElementsAre("deregister"));
  EXPECT_EQ(machine.text(), attached);
  EXPECT_TRUE(machine.devices.detach(id)->done());
  EXPECT_EQ(machine.text(), before);
}

// Each told once per attach that got so far, and released as often.
TEST_P(AllOrNothing, ADeviceIsReleasedExactlyWhenItWasAssigned) {
  const Kind& kind = GetParam();
  for (std::size_t step = 0; step < kind.steps.size(); ++step) {
    const auto device = device_of(kind, faults);
    faults.arm(step);
    ASSERT_FALSE(machine.devices.attach(device, {.name = "new", .parent = kind.parent}));
    const auto told = std::ranges::find(kind.steps, "device accepts") - kind.steps.begin();
    if (static_cast<std::ptrdiff_t>(step) <= told)
      EXPECT_THAT(device->story(), ::testing::IsEmpty());
    else
      EXPECT_THAT(device->story(), ::testing::ElementsAre(::testing::StartsWith("assigned"), "released"));
    EXPECT_EQ(device.use_count(), 1);
  }
}

// Any set of ranges, with one of them taken on the bus by somebody the allocator does not know.
TEST_P(AllOrNothing, AnAddressTakenBehindTheManagersBack) {
  const Kind& kind = GetParam();
  const AttachRequest request{.name = "new", .parent = kind.parent};
  const auto device = device_of(kind, faults);
  const InstanceId id = attach(machine, device, "new", kind.parent);
  const DeviceResources resources = machine.devices.resources(id).value();
  ASSERT_TRUE(machine.devices.detach(id));
  if (kind.role == DeviceRole::kReservation) return;

  const auto smuggler = fake::device();
  const auto expect_refusal = [&] {
    const std::string before = machine.text();
    const auto handle = machine.devices.attach(device, request);
    ASSERT_FALSE(handle);
    EXPECT_EQ(handle.error().code(), ErrorCode::kOverlap);
    EXPECT_EQ(machine.text(), before);
  };
  for (const PioRange range : resources.pio()) {
    ASSERT_TRUE(machine.io.register_pio(PioRange::single(range.last()), smuggler, "smuggler"));
    expect_refusal();
    ASSERT_TRUE(machine.io.deregister_pio(range.last()));
  }
  for (const MmioRange range : resources.mmio()) {
    ASSERT_TRUE(machine.io.register_mmio(MmioRange::single(range.first()), smuggler, "smuggler"));
    expect_refusal();
    ASSERT_TRUE(machine.io.deregister_mmio(range.first()));
  }
}

const ResourceConstraints kEverything{
    ports(0x10, 0x17),
    PioConstraint{.size = 4},
    MmioConstraint{.size = 0x1000},
    MmioConstraint{.size = 0x1000, .place = MmioPlace::kAbove4GiB},
    memory_of(0x1000),
    GuestMemoryConstraint{.size = 0x1000},
    LegacyIrqConstraint{},
    LegacyIrqConstraint{},
    MsiConstraint{.kind = MsiKind::kPciMsix, .count = 2},
    MemorySlotConstraint{},
};

const char* const kId = "instance id";
const char* const kTold = "device accepts";

const Kind kKinds[] = {
    {.name = "nothing", .asks = {}, .steps = {kId, "assign", kTold, "register"}},
    {.name = "pio",
     .asks = {ports(0x10, 0x17)},
     .steps = {kId, "pio [0x10, 0x17]", "assign", kTold, "doorbell", "ioeventfd", "register"}},
    {.name = "mmio",
     .asks = {MmioConstraint{.size = 0x1000}},
     .steps = {kId, "mmio of size 0x1000 aligned to 0x1000", "assign", kTold, "doorbell", "ioeventfd", "register"}},
    {.name = "several_ranges",
     .asks = {PioConstraint{.size = 1}, mmio_at(0xd000'8000, 0x100), PioConstraint{.size = 2}},
     .steps = {kId, "pio of size 0x1", "mmio [0xd0008000, 0xd00080ff]", "pio of size 0x2", "assign", kTold, "doorbell",
               "ioeventfd", "doorbell", "ioeventfd", "doorbell", "ioeventfd", "register"}},
    {.name = "irqs",
     .asks = {LegacyIrqConstraint{}, LegacyIrqConstraint{}},
     .steps = {kId, "any irq", "any irq", "connect irq", "irqfd", "connect irq", "irqfd", "assign", kTold, "doorbell",
               "doorbell", "register"}},
    {.name = "msi",
     .asks = {MsiConstraint{.kind = MsiKind::kPciMsi}},
     .steps = {kId, "1 pci-msi vector", "assign", kTold, "doorbell", "register"}},
    {.name = "memory_backed",
     .asks = {memory_of(0x1000), memory_of(0x1000)},
     .steps = {kId, "memory-backed mmio of size 0x1000 aligned to 0x1000",
               "memory-backed mmio of size 0x1000 aligned to 0x1000", "assign", kTold, "map memory",
               "set memory region", "doorbell", "map memory", "set memory region", "doorbell", "register"}},
    {.name = "below_a_bus",
     .asks = {ports(0x10, 0x17)},
     .parent = kBus,
     .steps = {kId, "pio [0x10, 0x17]", "assign", kTold, "doorbell", "ioeventfd", "register"}},
    {.name = "a_bus",
     .asks = {ports(0x10, 0x17)},
     .role = DeviceRole::kBus,
     .steps = {kId, "pio [0x10, 0x17]", "assign", kTold, "doorbell", "ioeventfd", "register"}},
    {.name = "a_reservation",
     .asks = {ports(0x10, 0x17), LegacyIrqConstraint{}},
     .role = DeviceRole::kReservation,
     .steps = {kId, "pio [0x10, 0x17]", "any irq", "assign", kTold}},
    {.name = "everything",
     .asks = kEverything,
     .parent = kBus,
     .steps = {kId, "pio [0x10, 0x17]", "pio of size 0x4", "mmio of size 0x1000 aligned to 0x1000",
               "mmio of size 0x1000 aligned to 0x1000", "memory-backed mmio of size 0x1000 aligned to 0x1000",
               "guest memory of size 0x1000 aligned to 0x1000", "any irq", "any irq", "2 pci-msix vectors",
               "1 memory slot", "connect irq", "irqfd", "connect irq", "irqfd", "assign", kTold,
               // pio, pio, mmio, mmio
               "doorbell", "ioeventfd", "doorbell", "ioeventfd", "doorbell", "ioeventfd", "doorbell", "ioeventfd",
               // the memory; guest memory, irq, irq, msi, slot
               "map memory", "set memory region", "doorbell", "doorbell", "doorbell", "doorbell", "doorbell",
               "doorbell", "register"}},
};

INSTANTIATE_TEST_SUITE_P(EveryKind, AllOrNothing, ::testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

class AllOrNothingElsewhere : public ::testing::Test, public Furnished {};

TEST_F(AllOrNothingElsewhere, MoveInAllItsSteps) {
  const auto old = MmioRange::constant(0xd000'2000, 0xd000'2fff);
  const InstanceId id = attach(machine, fake::device({mmio_at(0xd000'2000, 0x1000), ports(0x10, 0x1f)}), "new");
  const std::string before = machine.text();
  const std::vector<std::string> steps = {"move", "doorbell", "ioeventfd", "commit"};
  for (std::size_t step = 0; step < steps.size(); ++step) {
    faults.arm(step);
    EXPECT_FALSE(machine.devices.move_mmio(id, old, MmioAddress(0xd000'8000)));
    EXPECT_EQ(machine.text(), before) << steps[step];
  }
  faults.arm(test::FailAtStep::kNever);
  EXPECT_TRUE(machine.devices.move_mmio(id, old, MmioAddress(0xd000'8000)));
  EXPECT_EQ(faults.steps(), steps);
  EXPECT_TRUE(machine.devices.move_mmio(id, MmioRange::constant(0xd000'8000, 0xd000'8fff), MmioAddress(0xd000'2000)));
}

// Neither place is anybody else's before the move is over, so one that fails always finds its old place free.
TEST_F(AllOrNothingElsewhere, AMoveHasBothPlacesUntilItIsOver) {
  const auto old = MmioRange::constant(0xd000'2000, 0xd000'3fff);
  const InstanceId id = attach(machine, fake::device({mmio_at(0xd000'2000, 0x2000)}), "new");
  for (const std::uint64_t to : {0xd000'8000ull, 0xd000'1000ull, 0xd000'3000ull, 0x10'0000'0000ull}) {
    for (const bool fails : {true, false}) {
      const std::string before = machine.text();
      const auto others = [&](std::uint64_t at) {
        const auto other = machine.devices.attach(fake::device({mmio_at(at, 0x1000)}), {.name = "other"});
        return other ? ErrorCode::kIo : other.error().code();
      };
      machine.hooks.in_take = [&]() -> Result<void> {
        for (const std::uint64_t page : {0ull, 0x1000ull}) {
          EXPECT_EQ(others(0xd000'2000 + page), ErrorCode::kOverlap);
          EXPECT_EQ(others(to + page), ErrorCode::kOverlap);
        }
        return fails ? fail(ErrorCode::kIo, "the test refuses") : Result<void>();
      };
      const auto moved = machine.devices.move_mmio(id, old, MmioAddress(to));
      machine.hooks.in_take = nullptr;
      EXPECT_EQ(moved.has_value(), !fails);
      if (!fails) {
        ASSERT_TRUE(machine.devices.move_mmio(id, *MmioRange::from_size(MmioAddress(to), 0x2000), old.first()));
      }
      EXPECT_EQ(machine.text(), before);
    }
  }
}

TEST_F(AllOrNothingElsewhere, MoveToWhereItCannotBe) {
  const auto old = MmioRange::constant(0xd000'2000, 0xd000'2fff);
  const InstanceId id = attach(machine, fake::device({mmio_at(0xd000'2000, 0x1000)}), "new");
  ASSERT_TRUE(machine.io.register_mmio(MmioRange::constant(0xd000'9800, 0xd000'9fff), fake::device(), "smuggler"));
  const std::string before = machine.text();
  for (const std::uint64_t to : {0xd000'0800ull, 0xd000'9000ull, 0xd000'f001ull, 0x1000ull, ~0ull, ~0ull - 0xfff}) {
    EXPECT_FALSE(machine.devices.move_mmio(id, old, MmioAddress(to))) << to;
    EXPECT_EQ(machine.text(), before) << to;
  }
}

TEST_F(AllOrNothingElsewhere, DetachOfATreeThatCannotLeaveTheBus) {
  const auto child = fake::device({ports(0x10, 0x1f)});
  attach(machine, child, "child", kBus);
  // Somebody took the child off the bus behind the manager's back.
  ASSERT_TRUE(machine.io.deregister_pio(PioAddress(0x10)));
  const std::string before = machine.text();
  EXPECT_FALSE(machine.devices.detach(kBus, Children::kRemove));
  EXPECT_EQ(machine.text(), before);
  ASSERT_TRUE(machine.io.register_pio(PioRange::constant(0x10, 0x1f), child, "child"));
  EXPECT_TRUE(machine.devices.detach(kBus, Children::kRemove));
}

TEST_F(AllOrNothingElsewhere, AChildThatIsComingKeepsItsBus) {
  const auto child = fake::device({ports(0x10, 0x1f)});
  child->in_assign = [&](const Assignment&) -> Result<void> {
    const std::string before = machine.text();
    const auto detached = machine.devices.detach(kBus, Children::kRemove);
    EXPECT_EQ(detached.error().code(), ErrorCode::kInvalidState);
    EXPECT_EQ(machine.text(), before);
    return {};
  };
  attach(machine, child, "child", kBus);
}

// Between the first look at the tree and the allocation anything may happen.
TEST_F(AllOrNothingElsewhere, TheNameIsTakenMeanwhile) {
  const auto device = fake::device({ports(0x10, 0x1f)});
  std::string after_rival;
  device->in_constraints = [&] {
    attach(machine, fake::device(), "new");
    after_rival = machine.text();
  };
  const auto handle = machine.devices.attach(device, {.name = "new"});
  EXPECT_EQ(handle.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(machine.text(), after_rival);
}

TEST_F(AllOrNothingElsewhere, TheParentIsReplacedMeanwhile) {
  const auto device = fake::device({ports(0x10, 0x1f)});
  std::string after;
  device->in_constraints = [&] {
    // Inside a device's own function, so the detach ends by itself, later.
    const Detachment gone = machine.devices.detach(kBus).value();
    while (!gone.done()) std::this_thread::yield();
    attach(machine, fake::bus(), "another");
    after = machine.text();
  };
  const auto handle = machine.devices.attach(device, {.name = "new", .parent = kBus});
  EXPECT_EQ(handle.error().code(), ErrorCode::kInvalidState) << handle.error().message();
  EXPECT_EQ(machine.text(), after);
}

}  // namespace
}  // namespace keel
