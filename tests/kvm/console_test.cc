// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/console.h"

#include <termios.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/child_program.h"
#include "support/run_program.h"
#include "support/tiny_kernel.h"

// The console of the keel command against guests that behave badly.
namespace keel::testing {
namespace {

using ::testing::HasSubstr;
using Wiring = ChildProgram::Wiring;

std::vector<std::string> keel_run(const TemporaryFile& kernel) {
  return {KEEL_PROGRAM, "run", "--kernel", kernel.path(), "--memory", "64M"};
}

// Raises RTS, says that it is up, and never reads.
const std::string kDeaf = tiny_kernel({0x66, 0xba, 0xfc, 0x03, 0xb0, 0x03, 0xee,  // MCR: DTR and RTS
                                       0x66, 0xba, 0xf8, 0x03, 0xb0, '!', 0xee,   // "!"
                                       0xfa, 0xf4, 0xeb, 0xfd});                  // halted
// Prints for ever.
const std::string kFlood = tiny_kernel({0x66, 0xba, 0xf8, 0x03, 0xb0, 'x',  // dx: COM1
                                        0xee, 0xeb, 0xfd});                 // out dx, al; again

TEST(Console, TheEscapeKeyGetsThroughToADeafGuest) {
  const TemporaryFile kernel(kDeaf);
  ChildProgram guest(keel_run(kernel), Wiring::kTerminal);
  ASSERT_TRUE(guest.wait_for("!"));
  guest.type("ab");
  guest.type(std::string(10'000, 'c'));
  guest.type("\x01x");
  EXPECT_EQ(guest.wait(), 6);
}

TEST(Console, ATerminalThatControlsNobodyIsATerminalToo) {
  const TemporaryFile kernel(kDeaf);
  ChildProgram guest(keel_run(kernel), Wiring::kOtherTerminal);
  ASSERT_TRUE(guest.wait_for("!"));
  guest.type("\x01x");
  EXPECT_EQ(guest.wait(), 6);
  EXPECT_EQ(guest.terminal_settings().c_lflag, guest.terminal_settings_before().c_lflag);
}

TEST(Console, AnOutputThatNobodyReadsDoesNotHoldOffASignal) {
  const TemporaryFile kernel(kFlood);
  ChildProgram guest(keel_run(kernel), Wiring::kPipes);
  ASSERT_TRUE(guest.wait_for("x"));
  guest.type("typed meanwhile");
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // the pipe fills up
  guest.signal(SIGTERM);
  EXPECT_EQ(guest.wait_without_reading(), 128 + SIGTERM);
}

TEST(Console, TheTerminalComesBackWhateverEndsTheProcess) {
  for (const int signal_number :
       {SIGTERM, SIGHUP, SIGINT, SIGSEGV, SIGABRT, SIGUSR1, SIGPWR, SIGSTKFLT, SIGRTMIN + 7, SIGRTMAX}) {
    const TemporaryFile kernel(kDeaf);
    ChildProgram guest(keel_run(kernel), Wiring::kTerminal);
    ASSERT_TRUE(guest.wait_for("!"));
    EXPECT_EQ(guest.terminal_settings().c_lflag & ICANON, 0u);
    guest.signal(signal_number);
    EXPECT_EQ(guest.wait(), 128 + signal_number);
    EXPECT_EQ(guest.terminal_settings().c_lflag, guest.terminal_settings_before().c_lflag) << signal_number;
    EXPECT_EQ(guest.terminal_settings().c_iflag, guest.terminal_settings_before().c_iflag) << signal_number;
  }
}

TEST(Console, AnAbsentKvmHasAStatusOfItsOwn) {
  const TemporaryFile kernel(kDeaf);
  auto command = keel_run(kernel);
  command.insert(command.end(), {"--kvm", "/nonexistent/kvm"});
  const ProgramResult result = run_program(command);
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("/nonexistent/kvm is not there"));
}

}  // namespace
}  // namespace keel::testing
