// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Every management call, from inside an I/O handler, aimed at the device that is being served, at another one, and at
// another range of the one that is being served: none hangs, and each does what it does outside.

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include <gtest/gtest.h>

#include "fake/bus.h"
#include "fake/threads.h"
#include "keel/bus/io_manager.h"
#include "keel/bus/locked.h"

namespace keel {
namespace {

// The machine of one case. The device under test has a port and a window on each bus; `other` has its own window.
constexpr PioRange kSelfPorts = PioRange::constant(0x10, 0x1f);
constexpr PioRange kSelfPortsToo = PioRange::constant(0x30, 0x3f);
constexpr MmioRange kSelfWindow = MmioRange::constant(0x1000, 0x1fff);
constexpr PioRange kOtherPorts = PioRange::constant(0x50, 0x5f);
constexpr MmioRange kOtherWindow = MmioRange::constant(0x5000, 0x5fff);
constexpr PioAddress kFree = PioAddress(0x80);
constexpr MmioRange kFreeWindow = MmioRange::constant(0x9000, 0x9fff);

struct Machine {
  IoManager bus;
  std::shared_ptr<fake::RecordingDevice> other = std::make_shared<fake::RecordingDevice>(2);
  std::shared_ptr<fake::RecordingDevice> newcomer = std::make_shared<fake::RecordingDevice>(3);
  std::function<void(Machine&)> inside;
};

class Server : public MutDevicePio, public MutDeviceMmio {
 public:
  explicit Server(Machine& machine) : machine_(machine) {}
  void pio_read(PioAddress, std::uint16_t, std::span<std::uint8_t> data) override { serve(), store_le(data, 1); }
  void pio_write(PioAddress, std::uint16_t, std::span<const std::uint8_t>) override { serve(); }
  void mmio_read(MmioAddress, std::uint64_t, std::span<std::uint8_t> data) override { serve(), store_le(data, 1); }
  void mmio_write(MmioAddress, std::uint64_t, std::span<const std::uint8_t>) override { serve(); }

 private:
  void serve() {
    const auto once = std::exchange(machine_.inside, nullptr);
    if (once) once(machine_);
  }
  Machine& machine_;
};

enum class Target { kSelf, kOther, kSelfsOtherRange };
struct Aim {
  PioRange range;
  PioAddress at;
  MmioRange window;
  std::shared_ptr<DevicePio> device;
  std::shared_ptr<DeviceMmio> answerer;  // the same one, at its window
};

struct Call {
  const char* name;
  // Runs inside the handler; expectations inside.
  std::function<void(Machine&, Target, const Aim&)> run;
};

void gone(const Result<PioRemoval>& removal) {
  ASSERT_TRUE(removal.has_value());
  EXPECT_EQ(removal->wait(), Completion::Wait::kDeferred);
}

const Call kCalls[] = {
    {"deregister", [](Machine& machine, Target, const Aim& aim) { gone(machine.bus.deregister_pio(aim.at)); }},
    {"deregister the window",
     [](Machine& machine, Target, const Aim& aim) {
       const auto removal = machine.bus.deregister_mmio(aim.window.first());
       ASSERT_TRUE(removal.has_value());
       EXPECT_EQ(removal->wait(), Completion::Wait::kDeferred);
     }},
    {"register a window beside",
     [](Machine& machine, Target, const Aim& aim) {
       ASSERT_TRUE(machine.bus.register_mmio(kFreeWindow, aim.answerer, "more").has_value());
       EXPECT_EQ(machine.bus.find_mmio(kFreeWindow.last())->device(), aim.answerer) << "at once";
     }},
    {"register a window in the way",
     [](Machine& machine, Target, const Aim& aim) {
       EXPECT_EQ(machine.bus.register_mmio(aim.window, machine.newcomer, "newcomer").error().code(),
                 ErrorCode::kOverlap);
     }},
    {"move the window",
     [](Machine& machine, Target, const Aim& aim) {
       IoTransaction change = machine.bus.begin();
       ASSERT_TRUE(change.move_mmio(aim.window.last(), kFreeWindow.first()).has_value());
       const auto completion = change.commit();
       ASSERT_TRUE(completion.has_value());
       EXPECT_EQ(completion->wait(), Completion::Wait::kDeferred);
       EXPECT_EQ(machine.bus.find_mmio(kFreeWindow.first())->device(), aim.answerer);
       EXPECT_FALSE(machine.bus.find_mmio(aim.window.first()).has_value());
     }},
    {"deregister twice",
     [](Machine& machine, Target, const Aim& aim) {
       gone(machine.bus.deregister_pio(aim.at));
       EXPECT_FALSE(machine.bus.deregister_pio(aim.at).has_value());
     }},
    {"deregister the whole device",
     [](Machine& machine, Target, const Aim& aim) {
       const auto completion = machine.bus.deregister_device({&aim.range, 1}, {&aim.window, 1});
       ASSERT_TRUE(completion.has_value());
       EXPECT_EQ(completion->wait(), Completion::Wait::kDeferred);
     }},
    {"deregister by resources",
     [](Machine& machine, Target, const Aim& aim) {
       const auto completion = machine.bus.deregister_device(
           DeviceResources({PioResource{aim.range}, LegacyIrqResource{Gsi(5)}, MmioResource{aim.window}}));
       ASSERT_TRUE(completion.has_value());
       EXPECT_EQ(completion->wait(), Completion::Wait::kDeferred);
     }},
    {"replace",
     [](Machine& machine, Target, const Aim& aim) {
       gone(machine.bus.deregister_pio(aim.at));
       ASSERT_TRUE(machine.bus.register_pio(aim.range, machine.newcomer, "newcomer").has_value());
       EXPECT_EQ(fake::guest_in<std::uint8_t>(machine.bus, aim.at.value()), 3) << "and it is served at once";
     }},
    {"register beside",
     [](Machine& machine, Target, const Aim& aim) {
       ASSERT_TRUE(machine.bus.register_pio(PioRange::single(kFree), aim.device, "more").has_value());
     }},
    {"register in the way",
     [](Machine& machine, Target, const Aim& aim) {
       EXPECT_FALSE(machine.bus.register_pio(aim.range, machine.newcomer, "newcomer").has_value());
     }},
    {"register a device whole",
     [](Machine& machine, Target, const Aim& aim) {
       const PioRange port = PioRange::single(kFree);
       ASSERT_TRUE(
           machine.bus.register_device({&port, 1}, aim.device, {&kFreeWindow, 1}, aim.answerer, "whole").has_value());
     }},
    {"register by resources",
     [](Machine& machine, Target, const Aim& aim) {
       ASSERT_TRUE(machine.bus
                       .register_device(DeviceResources({PioResource{PioRange::single(kFree)},
                                                         MmioResource{kFreeWindow}, LegacyIrqResource{Gsi(5)}}),
                                        aim.device, aim.answerer, "whole")
                       .has_value());
     }},
    {"move",
     [](Machine& machine, Target, const Aim& aim) {
       IoTransaction change = machine.bus.begin();
       ASSERT_TRUE(change.move_pio(aim.at, kFree).has_value());
       const auto completion = change.commit();
       ASSERT_TRUE(completion.has_value());
       EXPECT_EQ(completion->wait(), Completion::Wait::kDeferred);
       EXPECT_EQ(machine.bus.find_pio(kFree)->device(), aim.device);
     }},
    {"cancel",
     [](Machine& machine, Target, const Aim& aim) {
       IoTransaction change = machine.bus.begin();
       ASSERT_TRUE(change.deregister_pio(aim.at).has_value());
       change.cancel();
     }},
    {"drop a transaction",
     [](Machine& machine, Target, const Aim& aim) {
       IoTransaction change = machine.bus.begin();
       ASSERT_TRUE(change.deregister_pio(aim.at).has_value());
     }},
    {"commit while another transaction is open",
     [](Machine& machine, Target, const Aim& aim) {
       IoTransaction open = machine.bus.begin();
       ASSERT_TRUE(open.deregister_pio(aim.at).has_value());
       gone(machine.bus.deregister_pio(aim.at));
       EXPECT_FALSE(open.commit().has_value());
     }},
    {"look up",
     [](Machine& machine, Target, const Aim& aim) {
       EXPECT_EQ(machine.bus.find_pio(aim.at)->device(), aim.device);
       EXPECT_TRUE(machine.bus.check_pio(aim.at, 4).has_value());
       EXPECT_EQ(machine.bus.pio_entries().size(), 3u);
       EXPECT_EQ(machine.bus.mmio_entries().size(), 2u);
       EXPECT_TRUE(machine.bus == machine.bus);
     }},
    {"read the ledger",
     [](Machine& machine, Target, const Aim&) {
       EXPECT_EQ(machine.bus.ledger().pio.ranges.size(), 3u);
       machine.bus.name_this_thread("inside");
     }},
    {"access",
     [](Machine& machine, Target, const Aim& aim) {
       EXPECT_EQ(fake::guest_out<std::uint32_t>(machine.bus, aim.at.value(), 0), Dispatch::kClaimed);
     }},
};

class Reentry : public testing::TestWithParam<std::tuple<int, Target>> {
 protected:
  // Builds the machine around a server, aims the call, and has it run by the next access to the server.
  template <typename Mutex>
  void prepare() {
    const auto server = std::make_shared<Locked<Server, Mutex>>(machine);
    const PioRange self_ports[] = {kSelfPorts, kSelfPortsToo};
    ASSERT_TRUE(machine.bus.register_device(self_ports, server, {&kSelfWindow, 1}, server, "self").has_value());
    ASSERT_TRUE(
        machine.bus.register_device({&kOtherPorts, 1}, machine.other, {&kOtherWindow, 1}, machine.other, "other")
            .has_value());
    const auto& [index, target] = GetParam();
    const Call& call = kCalls[index];
    const Aim aim = target == Target::kSelf ? Aim{kSelfPorts, PioAddress(0x14), kSelfWindow, server, server}
                    : target == Target::kOther
                        ? Aim{kOtherPorts, PioAddress(0x54), kOtherWindow, machine.other, machine.other}
                        : Aim{kSelfPortsToo, PioAddress(0x34), kSelfWindow, server, server};
    machine.inside = [&call, aim, at = target, this](Machine& there) {
      call.run(there, at, aim);
      ran.open();
    };
  }

  const fake::Watchdog watchdog{kCalls[std::get<0>(GetParam())].name};
  fake::Gate ran;
  Machine machine;
};

TEST_P(Reentry, DoesNotHang) {
  prepare<NullMutex>();
  EXPECT_EQ(fake::guest_out<std::uint8_t>(machine.bus, 0x10, 0), Dispatch::kClaimed);
  ran.pass();
}

TEST_P(Reentry, DoesNotHangHoldingTheDevicesLockUnderTraffic) {
  prepare<Mutex>();
  std::jthread traffic([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      (void)fake::guest_load<std::uint32_t>(machine.bus, 0x1000);
      (void)fake::guest_store<std::uint32_t>(machine.bus, 0x1ffc, 0);
    }
  });
  (void)fake::guest_out<std::uint8_t>(machine.bus, 0x10, 0);
  ran.pass();
}

std::string case_name(const testing::TestParamInfo<Reentry::ParamType>& info) {
  static constexpr const char* kTargets[] = {"Self", "Other", "SelfsOtherRange"};
  std::string name = kCalls[std::get<0>(info.param)].name;
  std::ranges::replace(name, ' ', '_');
  return name + "_" + kTargets[static_cast<std::size_t>(std::get<1>(info.param))];
}

INSTANTIATE_TEST_SUITE_P(Matrix, Reentry,
                         testing::Combine(testing::Range(0, static_cast<int>(std::size(kCalls))),
                                          testing::Values(Target::kSelf, Target::kOther, Target::kSelfsOtherRange)),
                         case_name);

}  // namespace
}  // namespace keel
