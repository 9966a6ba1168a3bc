// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "fake/bus.h"
#include "fake/machine.h"
#include "fake/threads.h"
#include "keel/bus/handler_scope.h"
#include "keel/device/device_manager.h"

namespace keel {

// How the guest gets into a handler.
enum class Entry { kPioRead, kPioWrite, kMmioRead, kMmioWrite };

// A bus with two devices, each with ports and a window. The guest's access to `self` runs what the test says, under a
// watchdog that names `doing`.
struct Tree {
  explicit Tree(std::string doing = "management from inside a device") : watchdog(std::move(doing)) {
    parent_handle = plug(parent, {.name = "parent"});
    self_handle = plug(self, {.name = "self", .parent = parent_handle.id()});
    other_handle = plug(other, {.name = "other", .parent = parent_handle.id()});
    parent_id = parent_handle.id();
    self_id = self_handle.id();
    other_id = other_handle.id();
  }

  // What happens inside the handler of "self", on a thread of the guest's own.
  void in_handler(const std::function<void()>& what, Entry entry = Entry::kPioRead) {
    bool ran = false;
    self->in_handler = [&] {
      if (std::exchange(ran, true)) return;
      EXPECT_TRUE(in_io_handler());
      what();
    };
    std::thread([&] { enter(entry); }).join();
    EXPECT_TRUE(ran);
    self->in_handler = nullptr;
  }

  const fake::Watchdog watchdog;  // first, so that it sees the end of all the others
  std::shared_ptr<fake::MachineDevice> parent =
      fake::bus({fake::ports(0x10, 0x1f), fake::mmio_at(0xd000'0000, 0x1000)});
  std::shared_ptr<fake::MachineDevice> self =
      fake::device({fake::ports(0x20, 0x2f), fake::mmio_at(0xd000'1000, 0x1000), LegacyIrqConstraint{}});
  std::shared_ptr<fake::MachineDevice> other =
      fake::device({fake::ports(0x30, 0x3f), fake::mmio_at(0xd000'2000, 0x1000)});
  DeviceHandle parent_handle, self_handle, other_handle;  // before the machine, whose end they leave to itself
  fake::Machine machine;
  InstanceId parent_id, self_id, other_id;

 private:
  DeviceHandle plug(const std::shared_ptr<Device>& device, const AttachRequest& request) {
    return machine.devices.attach(device, request).value();
  }
  void enter(Entry entry) {
    switch (entry) {
      case Entry::kPioRead: fake::guest_in<std::uint8_t>(machine.io, 0x20); return;
      case Entry::kPioWrite: (void)fake::guest_out<std::uint8_t>(machine.io, 0x20, 0); return;
      case Entry::kMmioRead: fake::guest_load<std::uint8_t>(machine.io, 0xd000'1000); return;
      case Entry::kMmioWrite: (void)fake::guest_store<std::uint8_t>(machine.io, 0xd000'1000, 0); return;
    }
  }
};

}  // namespace keel
