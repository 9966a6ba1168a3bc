// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <algorithm>
#include <csignal>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/child_program.h"
#include "support/run_program.h"
#include "support/tiny_kernel.h"

// What the keel command tells of the accesses of a machine that ran: `keel run --stats`, `keel inspect --stats`.
namespace keel::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Json = nlohmann::json;

// Prints three letters, reads a port that nobody has, and powers off.
const std::string kPrints =
    tiny_kernel({0x66, 0xba, 0xf8, 0x03, 0xb0, 'k',  0xee, 0xee, 0xee,        // out 0x3f8, 'k'; thrice
                 0xe4, 0x80,                                                  // in al, 0x80
                 0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x34, 0x66, 0xef,  // S5
                 0xf4, 0xeb, 0xfd});
const std::string kPrintsAndRestarts = tiny_kernel({0x66, 0xba, 0xf8, 0x03, 0xb0, 'k', 0xee,  // out 0x3f8, 'k'
                                                    0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd});
const std::string kPrintsAndSleeps = tiny_kernel({0x66, 0xba, 0xf8, 0x03, 0xb0, 'k', 0xee, 0xfa, 0xf4, 0xeb, 0xfd});

std::vector<std::string> keel(const char* command, const TemporaryFile& kernel, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {KEEL_PROGRAM, command, "--kernel", kernel.path(), "--memory", "64M", "--stats"});
  return more;
}

constexpr const char* kWhoDidWhat =
    "pio \\[0x3f8, 0x3ff\\] com1 +0 +3 +0\\.0 +[0-9.]+\n"
    " +vcpu0 +0 +3 +0\\.0 +[0-9.]+\n";

TEST(RunStats, TellWhichVcpuAccessedWhat) {
  const TemporaryFile kernel(kPrints);
  const ProgramResult result = run_program(keel("run", kernel));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "kkk");
  EXPECT_THAT(result.err, ContainsRegex(kWhoDidWhat));
}

TEST(InspectStats, RunTheMachineAndPrintItWithItsAccesses) {
  const TemporaryFile kernel(kPrints);
  const ProgramResult result = run_program(keel("inspect", kernel));
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "kkk") << "the guest's output does not mix with the report";
  EXPECT_THAT(result.out, StartsWith("devices (type in parentheses"));
  EXPECT_THAT(result.out, HasSubstr("\ndoorbells, each an eventfd\n"));
  EXPECT_THAT(result.out, ContainsRegex(kWhoDidWhat));
  EXPECT_THAT(result.out, ContainsRegex("pio \\(nobody\\) +1 +0\n +0x80 +1 +0\n"));
}

TEST(InspectStats, TellProgramsTheSame) {
  const TemporaryFile kernel(kPrints);
  const ProgramResult result = run_program(keel("inspect", kernel, {"--format", "json"}));
  EXPECT_EQ(result.status, 0) << result.err;
  const Json map = Json::parse(result.out);
  EXPECT_EQ(map["devices"].size(), 12u);
  const Json& pio = map["ledger"]["pio"];
  const auto com1 = std::ranges::find_if(pio["ranges"], [](const Json& range) { return range["owner"] == "com1"; });
  ASSERT_NE(com1, pio["ranges"].end());
  EXPECT_EQ((*com1)["writes"], 3);
  ASSERT_EQ((*com1)["threads"].size(), 1u);
  EXPECT_EQ((*com1)["threads"][0]["thread"], "vcpu0");
  EXPECT_EQ((*com1)["threads"][0]["writes"], 3);
  EXPECT_EQ(pio["unclaimed"]["addresses"], Json::parse(R"([{"address": 128, "reads": 1, "writes": 0}])"));
}

TEST(InspectStats, EndAsTheGuestDoes) {
  const TemporaryFile kernel(kPrintsAndRestarts);
  const ProgramResult result = run_program(keel("inspect", kernel));
  EXPECT_EQ(result.status, 3);
  EXPECT_THAT(result.err, StartsWith("kkeel: the guest restarted"));
  EXPECT_THAT(result.out, ContainsRegex("i8042 +0 +1 "));
}

// The console device prints where the serial port does, and nothing is typed into either.
TEST(InspectStats, KeepAConsoleOutOfTheReportToo) {
  const TemporaryFile kernel(kPrints);
  const ProgramResult result = run_program(keel("inspect", kernel, {"--console", "--format", "json"}));
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "kkk");
  EXPECT_EQ(Json::parse(result.out)["devices"].size(), 14u) << "the console and its bus";
}

TEST(InspectStats, OfAMachineThatASignalStopped) {
  const TemporaryFile kernel(kPrintsAndSleeps);
  ChildProgram guest(keel("inspect", kernel), ChildProgram::Wiring::kOutputOnly);
  ASSERT_TRUE(guest.wait_for("k"));
  guest.signal(SIGTERM);
  EXPECT_EQ(guest.wait(), 128 + SIGTERM);
  EXPECT_THAT(guest.said(), ContainsRegex("com1 +0 +1 "));
}

TEST(InspectStats, NeedAKvm) {
  const TemporaryFile kernel(kPrints);
  const ProgramResult result = run_program(keel("inspect", kernel, {"--kvm", "/nonexistent/kvm"}));
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("/nonexistent/kvm is not there"));
}

}  // namespace
}  // namespace keel::testing
