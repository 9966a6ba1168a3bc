// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Every management call, from inside an I/O handler that the guest entered in every way, aimed at the device that is
// being served, at another one, and at the bus that carries both: none hangs, and each does what it promises there.

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake/machine.h"
#include "unit/device/reentry_tree.h"
#include "keel/device/device_manager.h"

namespace keel {
namespace {

using fake::guest_in;
using fake::guest_load;
using fake::ports;
using ::testing::Contains;
using ::testing::Not;

enum class Who { kSelf, kOther, kParent };

// The machine of one case, and whom the call is about.
struct Case : Tree {
  Case(const char* call, Who target)
      : Tree(call),
        who(target),
        id(target == Who::kSelf    ? self_id
           : target == Who::kOther ? other_id
                                   : parent_id),
        handle(target == Who::kSelf    ? self_handle
               : target == Who::kOther ? other_handle
                                       : parent_handle),
        device(target == Who::kSelf    ? self
               : target == Who::kOther ? other
                                       : parent),
        range(machine.devices.resources(id)->pio().front()),
        window(machine.devices.resources(id)->mmio().front()) {}

  [[nodiscard]] bool is_bus() const { return who == Who::kParent; }
  DeviceManager& devices() { return machine.devices; }

  // It is no part of the tree any more, and yet holds its place until the handler has returned.
  void expect_leaving() {
    EXPECT_THAT(device->story(), Not(Contains("released")));
    EXPECT_FALSE(devices().resources(id));
    EXPECT_THAT(devices().spaces().holdings, Contains(::testing::Field(&Holding::id, id)));
  }
  void expect_deferred(const Result<Detachment>& detached) {
    ASSERT_TRUE(detached) << detached.error().message();
    EXPECT_EQ(detached->wait(), Completion::Wait::kDeferred);
    EXPECT_FALSE(detached->done());
    expect_leaving();
    gone = *detached;
  }
  void expect_gone() {
    EXPECT_EQ(gone.wait(), Completion::Wait::kDone);
    EXPECT_THAT(device->story(), Contains("released"));
    EXPECT_FALSE(devices().device(id));
    if (is_bus()) {
      EXPECT_EQ(machine.text(), fake::Machine().text());
    }
  }

  const Who who;
  const InstanceId id;
  DeviceHandle& handle;
  const std::shared_ptr<fake::MachineDevice> device;
  const PioRange range;
  const MmioRange window;
  Detachment gone;
};

void nothing_more(Case&) {}
void expect_gone(Case& it) {
  it.expect_gone();
}

struct Call {
  const char* name;
  void (*inside)(Case&);
  void (*after)(Case&) = nothing_more;  // the handler has returned
};

// A new device without a place of its own in the tree's ranges.
std::shared_ptr<fake::MachineDevice> newcomer() {
  return fake::device({ports(0x40, 0x4f), MmioConstraint{.size = 0x1000}, LegacyIrqConstraint{}});
}

const Call kCalls[] = {
    {"detach_with_children", [](Case& it) { it.expect_deferred(it.devices().detach(it.id, Children::kRemove)); },
     expect_gone},
    {"detach_or_be_refused",
     [](Case& it) {
       const auto detached = it.devices().detach(it.id);
       EXPECT_EQ(detached.has_value(), !it.is_bus());
       if (detached) it.expect_deferred(detached);
     },
     [](Case& it) {
       if (it.is_bus())
         EXPECT_TRUE(it.devices().device(it.id));
       else
         it.expect_gone();
     }},
    {"detach_twice",
     [](Case& it) {
       it.expect_deferred(it.devices().detach(it.id, Children::kRemove));
       EXPECT_EQ(it.devices().detach(it.id, Children::kRemove).error().code(), ErrorCode::kNotFound);
     },
     expect_gone},
    {"detach_by_its_handle", [](Case& it) { it.expect_deferred(it.handle.detach(Children::kRemove)); }, expect_gone},
    {"drop_its_handle",
     [](Case& it) {
       it.handle = DeviceHandle();
       it.expect_leaving();
     },
     [](Case& it) {
       while (std::ranges::count(it.device->story(), "released") == 0) std::this_thread::yield();
     }},
    {"keep_its_handle",
     [](Case& it) {
       EXPECT_EQ(it.handle.keep(), it.id);
       it.handle = DeviceHandle();
       EXPECT_TRUE(it.devices().device(it.id));
     }},
    {"move_its_ports",
     [](Case& it) {
       const auto moved = it.devices().move_pio(it.id, it.range, PioAddress(0x100));
       ASSERT_TRUE(moved) << moved.error().message();
       EXPECT_EQ(moved->wait(), Completion::Wait::kDeferred);
       EXPECT_EQ(guest_in<std::uint8_t>(it.machine.io, 0x100), 0) << "at once";
     },
     [](Case& it) {
       EXPECT_EQ(guest_in<std::uint8_t>(it.machine.io, 0x100), 0);
       EXPECT_EQ(guest_in<std::uint8_t>(it.machine.io, it.range.first().value()), 0xff);
     }},
    {"move_its_window",
     [](Case& it) {
       const auto moved = it.devices().move_mmio(it.id, it.window, MmioAddress(0xd000'8000));
       ASSERT_TRUE(moved) << moved.error().message();
       EXPECT_EQ(moved->wait(), Completion::Wait::kDeferred);
       EXPECT_EQ(guest_load<std::uint8_t>(it.machine.io, 0xd000'8000), 0) << "at once";
     },
     [](Case& it) {
       EXPECT_EQ(guest_load<std::uint8_t>(it.machine.io, 0xd000'8000), 0);
       EXPECT_EQ(guest_load<std::uint8_t>(it.machine.io, it.window.first().value()), 0xff);
     }},
    {"move_it_where_another_is",
     [](Case& it) {
       const std::string before = it.machine.text();
       const bool other = it.who == Who::kOther;
       EXPECT_EQ(it.devices().move_pio(it.id, it.range, PioAddress(other ? 0x18 : 0x38)).error().code(),
                 ErrorCode::kOverlap);
       EXPECT_EQ(
           it.devices().move_mmio(it.id, it.window, MmioAddress(other ? 0xd000'0800 : 0xd000'2800)).error().code(),
           ErrorCode::kOverlap);
       EXPECT_EQ(it.machine.text(), before);
     }},
    {"attach_below_it",
     [](Case& it) {
       auto handle = it.devices().attach(newcomer(), {.name = "new", .parent = it.id});
       EXPECT_EQ(handle.has_value(), it.is_bus());
       if (!handle) return;
       EXPECT_EQ(guest_in<std::uint8_t>(it.machine.io, 0x40), 0) << "it is served at once";
       handle->keep();
     },
     [](Case& it) { EXPECT_EQ(it.devices().find("parent/new").has_value(), it.is_bus()); }},
    {"attach_beside_it_in_steps",
     [](Case& it) {
       const auto parent = it.is_bus() ? std::nullopt : std::optional(it.parent_id);
       auto attach = it.devices().begin(newcomer(), {.name = "new", .parent = parent});
       ASSERT_TRUE(attach) << attach.error().message();
       EXPECT_TRUE(attach->assign());
       EXPECT_EQ(guest_in<std::uint8_t>(it.machine.io, 0x40), 0xff) << "not yet";
       auto handle = attach->publish();
       ASSERT_TRUE(handle) << handle.error().message();
       EXPECT_EQ(guest_in<std::uint8_t>(it.machine.io, 0x40), 0);
       handle->keep();
     },
     [](Case& it) { EXPECT_TRUE(it.devices().find(it.is_bus() ? "new" : "parent/new")); }},
    {"drop_an_attach_after_each_step",
     [](Case& it) {
       const std::string before = it.machine.text();
       const auto device = newcomer();
       (void)it.devices().begin(device, {.name = "new", .parent = it.parent_id});
       EXPECT_EQ(it.machine.text(), before);
       {
         auto attach = it.devices().begin(device, {.name = "new", .parent = it.parent_id});
         EXPECT_TRUE(attach->assign());
       }
       EXPECT_EQ(it.machine.text(), before);
       EXPECT_THAT(device->story(), ::testing::ElementsAre(::testing::StartsWith("assigned"), "released"));
     }},
    {"attach_over_its_ports",
     [](Case& it) {
       const std::string before = it.machine.text();
       const auto device = fake::device({ports(0x40, 0x4f), PioConstraint::exactly(it.range)});
       EXPECT_EQ(it.devices().attach(device, {.name = "new"}).error().code(), ErrorCode::kOverlap);
       EXPECT_EQ(it.machine.text(), before);
     }},
    {"attach_it_again",
     [](Case& it) {
       EXPECT_EQ(it.devices().attach(it.device, {.name = "again"}).error().code(), ErrorCode::kAlreadyExists);
     }},
    {"look_it_up",
     [](Case& it) {
       EXPECT_EQ(*it.devices().device(it.id), it.device);
       EXPECT_EQ(it.devices().device_as<fake::MachineDevice>(it.id), it.device);
       EXPECT_EQ(it.devices().resolve(it.range.first())->id, it.id);
       EXPECT_EQ(it.devices().resolve(it.window.last())->id, it.id);
       EXPECT_TRUE(it.devices().find("parent/self"));
       EXPECT_EQ(it.devices().view().devices.size(), 3u);
       EXPECT_EQ(it.devices().spaces().holdings.size(), 3u);
       EXPECT_TRUE(it.devices() == it.devices());
     }},
    {"serve_it",
     [](Case& it) {
       std::uint8_t data[1];
       EXPECT_TRUE(it.devices().serve_read(it.range.first(), data));
       EXPECT_TRUE(it.devices().serve_write(it.range.first(), data));
       EXPECT_TRUE(it.devices().serve_read(it.window.first(), data));
       EXPECT_TRUE(it.devices().serve_write(it.window.first(), data));
       EXPECT_FALSE(it.devices().serve_read(PioAddress(0x400), data));
     }},
};

class ManagementCalls : public ::testing::TestWithParam<std::tuple<int, Who, Entry>> {
 protected:
  [[nodiscard]] static const Call& call() { return kCalls[std::get<0>(GetParam())]; }

  std::mutex lock;
  Case it{call().name, std::get<1>(GetParam())};
};

TEST_P(ManagementCalls, ReturnInsideAHandler) {
  it.in_handler([&] { call().inside(it); }, std::get<2>(GetParam()));
  call().after(it);
}

// The handler holds its device's lock, every device needs that lock to be released, and other vCPUs are on the way.
TEST_P(ManagementCalls, ReturnInsideAHandlerThatHoldsALockUnderTraffic) {
  for (fake::MachineDevice* device : {it.self.get(), it.other.get(), it.parent.get()})
    device->in_released = [this] { const std::lock_guard held(lock); };
  {
    std::jthread traffic([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        guest_in<std::uint8_t>(it.machine.io, 0x10);
        guest_load<std::uint8_t>(it.machine.io, 0xd000'2000);
      }
    });
    it.in_handler(
        [&] {
          const std::lock_guard held(lock);
          call().inside(it);
        },
        std::get<2>(GetParam()));
  }
  call().after(it);
}

std::string case_name(const ::testing::TestParamInfo<ManagementCalls::ParamType>& info) {
  static constexpr const char* kTargets[] = {"self", "other", "parent"};
  static constexpr const char* kEntries[] = {"pio_read", "pio_write", "mmio_read", "mmio_write"};
  const auto& [call, target, entry] = info.param;
  return std::string(kCalls[call].name) + "_of_" + kTargets[static_cast<std::size_t>(target)] + "_in_" +
         kEntries[static_cast<std::size_t>(entry)];
}

INSTANTIATE_TEST_SUITE_P(Matrix, ManagementCalls,
                         ::testing::Combine(::testing::Range(0, static_cast<int>(std::size(kCalls))),
                                            ::testing::Values(Who::kSelf, Who::kOther, Who::kParent),
                                            ::testing::Values(Entry::kPioRead, Entry::kPioWrite, Entry::kMmioRead,
                                                              Entry::kMmioWrite)),
                         case_name);

}  // namespace
}  // namespace keel
