// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/machine.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "kvm/tiny_guest.h"
#include "support/run_program.h"
#include "support/tiny_kernel.h"
#include "keel/vmm/console.h"

namespace keel {
namespace {

using testing::need;
using testing::tiny_kernel;

const std::string kSleeper = tiny_kernel({0xfa,                      // cli
                                          0xf4,                      // hlt
                                          0xeb, 0xfd});              // jmp to the hlt
const std::string kPowersOff = tiny_kernel({0x66, 0xba, 0x04, 0x06,  // mov dx, 0x604: PM1a control
                                            0x66, 0xb8, 0x00, 0x34,  // mov ax, SLP_EN | S5
                                            0x66, 0xef,              // out dx, ax
                                            0xf4, 0xeb, 0xfd});      // hlt for ever
const std::string kRestarts = tiny_kernel({0xb0, 0xfe, 0xe6, 0x64,   // out 0x64, 0xfe
                                           0xf4, 0xeb, 0xfd});
const std::string kPanics = tiny_kernel({0x66, 0xb8, 0x34, 0x12,                          // mov ax, 0x1234
                                         0x66, 0x89, 0x04, 0x25, 0x72, 0x04, 0x00, 0x00,  // mov [0x472], ax
                                         0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd});

struct Silence final : SerialOutput {
  void write(std::span<const std::uint8_t> /*bytes*/) override {}
};

class MachineTest : public ::testing::Test {
 protected:
  std::unique_ptr<Machine> machine_of(const std::string& kernel, unsigned cpus = 1) {
    const testing::TemporaryFile file(kernel);
    MachineConfig config;
    config.kernel = file.path();
    config.memory_size = 64 << 20;
    config.cpus = cpus;
    return need(Machine::create(need(kvm::System::open()), need(GuestImage::load(config)), silence, clock));
  }

  Silence silence;
  SystemClock clock;
};

TEST_F(MachineTest, EndsAsItsGuestDoes) {
  for (const auto& [kernel, reason] :
       {std::pair(&kPowersOff, EndReason::kPowerOff), std::pair(&kRestarts, EndReason::kReset),
        std::pair(&kPanics, EndReason::kPanic)}) {
    const auto machine = machine_of(*kernel);
    need(machine->start());
    EXPECT_EQ(machine->wait().reason, reason);
    EXPECT_GT(machine->exit_counts()[ExitKind::kPioWrite], 0u);
    EXPECT_TRUE(machine->first_instruction_at().has_value());
  }
}

// Its threads have ended by then.
TEST_F(MachineTest, KnowsAfterItsEndWhichVcpuAccessedWhat) {
  const auto machine = machine_of(kPowersOff, 2);
  need(machine->start());
  machine->wait();
  const IoLedger ledger = machine->ledger();
  const auto at = std::ranges::find(ledger.pio.ranges, "acpi-pm", &RangeLedger<PioAddress>::owner);
  ASSERT_NE(at, ledger.pio.ranges.end());
  const auto& control = *std::next(at);
  ASSERT_EQ(control.by_thread.size(), 1u);
  EXPECT_EQ(ledger.threads[control.by_thread[0].thread], "vcpu0");
  EXPECT_EQ(control.by_thread[0].traffic.writes.count, 1u);
  EXPECT_EQ(std::ranges::count(ledger.threads, "vcpu1"), 1);
}

TEST_F(MachineTest, StopEndsAGuestThatSleeps) {
  const auto machine = machine_of(kSleeper, 2);
  need(machine->start());
  machine->stop("enough");
  const Ending ending = machine->wait();
  EXPECT_EQ(ending.reason, EndReason::kStopped);
  EXPECT_EQ(ending.detail, "enough");
  machine->stop("again");
  EXPECT_EQ(machine->wait().detail, "enough") << "the first reason counts";
}

TEST_F(MachineTest, StartsOnce) {
  const auto machine = machine_of(kSleeper);
  need(machine->start());
  const auto again = machine->start();
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code(), ErrorCode::kInvalidState);
}

TEST_F(MachineTest, IsStartedByItsConsole) {
  auto output = need(FdSerialOutput::create(STDOUT_FILENO));
  const auto machine = machine_of(kPowersOff);
  EXPECT_EQ(need(run_console(*machine, output, -1)).signal_number, 0);
  EXPECT_EQ(machine->wait().reason, EndReason::kPowerOff);

  const auto running = machine_of(kSleeper);
  need(running->start());
  const auto second = run_console(*running, output, -1);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), ErrorCode::kInvalidState);
}

TEST_F(MachineTest, MayBeDestroyedAtAnyStage) {
  machine_of(kSleeper);
  const auto started = machine_of(kSleeper, 2);
  need(started->start());
  const auto stopped = machine_of(kSleeper);
  stopped->stop("before its start");
  need(stopped->start());
  EXPECT_EQ(stopped->wait().detail, "before its start");
  EXPECT_EQ(machine_of(kSleeper)->wait().reason, EndReason::kStopped) << "never started";
}

// The guest ends itself while several threads stop it and wait for it.
TEST_F(MachineTest, EndsOnceHoweverManyEndIt) {
  for (int round = 0; round < 20; ++round) {
    const auto machine = machine_of(kPowersOff, 2);
    std::thread stopper([&] { machine->stop("stopped"); });
    need(machine->start());
    std::thread waiter([&] { machine->wait(); });
    const Ending ending = machine->wait();
    EXPECT_TRUE(ending.reason == EndReason::kPowerOff || ending.reason == EndReason::kStopped);
    stopper.join();
    waiter.join();
  }
}

// What `keel inspect` says without a hypervisor is so on one.
TEST_F(MachineTest, IsLaidOutAsItsMapSays) {
  const testing::TemporaryFile file(kSleeper);
  MachineConfig config;
  config.kernel = file.path();
  config.memory_size = 64 << 20;
  const auto machine = machine_of(kSleeper);
  EXPECT_EQ(machine->map(), need(map_machine(need(GuestImage::load(config)))));
}

}  // namespace
}  // namespace keel
