// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/platform_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake/machine.h"

namespace keel {
namespace {

using fake::attach;
using fake::Machine;
using fake::ports;

// A machine whose ids are not in the order of its names or attaches.
struct Sample {
  Sample() {
    pci = machine.devices.attach(fake::bus(), {.name = "pci0", .id = InstanceId(20)})->keep();
    attach(machine, fake::device({ports(0x3f8, 0x3ff), LegacyIrqConstraint{}}), "com1");
    machine.devices.attach(fake::device(), {.name = "zzz", .parent = pci, .id = InstanceId(3)})->keep();
    machine.devices.attach(fake::device(), {.name = "aaa", .parent = pci, .id = InstanceId(4)})->keep();
  }
  Machine machine;
  InstanceId pci;
};

TEST(PlatformView, ListsParentsFirstAndSiblingsById) {
  const PlatformView view = Sample().machine.devices.view();
  EXPECT_EQ(to_string(view),
            "1 \"com1\" device \"test\" at \"com1\": pio [0x3f8, 0x3ff], irq 5\n"
            "20 \"pci0\" bus \"test-bus\" at \"pci0\": \n"
            "  3 \"zzz\" device \"test\" at \"pci0/zzz\" below 20: \n"
            "  4 \"aaa\" device \"test\" at \"pci0/aaa\" below 20: \n");
  EXPECT_EQ(view.devices[2].path, "pci0/zzz");
  EXPECT_EQ(view.devices[2].depth, 1u);
  EXPECT_EQ(view.devices[2].parent, InstanceId(20));
}

TEST(PlatformView, CanBeWalked) {
  const PlatformView view = Sample().machine.devices.view();
  const auto tops = view.children_of(std::nullopt);
  ASSERT_EQ(tops.size(), 2u);
  EXPECT_EQ(tops[1]->name, "pci0");
  const auto children = view.children_of(tops[1]->id);
  ASSERT_EQ(children.size(), 2u);
  EXPECT_EQ(children[0]->name, "zzz");
  EXPECT_TRUE(view.children_of(children[0]->id).empty());
  EXPECT_EQ(view.find(InstanceId(4))->name, "aaa");
  EXPECT_EQ(view.find(InstanceId(5)), nullptr);
}

TEST(PlatformView, IsEqualExactlyWhenItsTextIs) {
  const PlatformView view = Sample().machine.devices.view();
  EXPECT_EQ(view, Sample().machine.devices.view());
  for (const auto change : std::initializer_list<void (*)(DeviceView&)>{
           [](DeviceView& device) { device.id = InstanceId(77); },
           [](DeviceView& device) { device.parent = InstanceId(20); },
           [](DeviceView& device) { device.name += "x"; },
           [](DeviceView& device) { device.path += "x"; },
           [](DeviceView& device) { device.type += "x"; },
           [](DeviceView& device) { device.role = DeviceRole::kReservation; },
           [](DeviceView& device) { device.depth += 1; },
           [](DeviceView& device) { device.resources = DeviceResources(); },
       }) {
    PlatformView other = view;
    change(other.devices[0]);
    EXPECT_NE(other, view);
    EXPECT_NE(to_string(other), to_string(view));
  }
}

// Quotes and line ends inside a fact do not make it look like others.
TEST(PlatformView, KeepsFactsApartInItsText) {
  const auto text = [](const std::string& name, const std::string& path, const std::string& type) {
    DeviceView device{};
    device.name = name;
    device.path = path;
    device.type = type;
    return to_string({.devices = {device}});
  };
  EXPECT_EQ(text("a\"b\n", "c", "d"), "0 \"a\\\"b\\n\" device \"d\" at \"c\": \n");
  EXPECT_NE(text("a", "c", "d\" at \"c"), text("a", "c\" at \"c", "d"));
}

TEST(PlatformView, IsAPictureOfItsMoment) {
  Sample sample;
  const PlatformView before = sample.machine.devices.view();
  ASSERT_TRUE(sample.machine.devices.detach(sample.pci, Children::kRemove));
  EXPECT_EQ(before.devices.size(), 4u);
  EXPECT_EQ(sample.machine.devices.view().devices.size(), 1u);
}

}  // namespace
}  // namespace keel
