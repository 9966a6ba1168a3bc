// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/ending.h"

#include <csignal>
#include <set>

#include <gtest/gtest.h>

#include "keel/vmm/console.h"

namespace keel {
namespace {

TEST(Ending, EveryReasonHasAStatusOfItsOwn) {
  std::set<int> statuses{kWrongUseStatus};
  for (const EndReason reason : {EndReason::kPowerOff, EndReason::kReset, EndReason::kPanic, EndReason::kCrash,
                                 EndReason::kStopped, EndReason::kFailed}) {
    EXPECT_TRUE(statuses.insert(exit_status(reason)).second) << exit_status(reason);
  }
  EXPECT_EQ(exit_status(EndReason::kPowerOff), 0);
  EXPECT_LT(*statuses.rbegin(), 128) << "where a shell's statuses of signals begin";
}

TEST(Ending, ASignalThatCameTooLateIsNotWhatEndedIt) {
  const ConsoleResult terminated = {.signal_number = SIGTERM};
  EXPECT_EQ(exit_status(EndReason::kStopped, terminated), 128 + SIGTERM);
  EXPECT_EQ(exit_status(EndReason::kPowerOff, terminated), 0);
  EXPECT_EQ(exit_status(EndReason::kPanic, terminated), exit_status(EndReason::kPanic));
  EXPECT_EQ(exit_status(EndReason::kStopped, {}), exit_status(EndReason::kStopped));
}

}  // namespace
}  // namespace keel
