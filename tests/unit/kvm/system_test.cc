// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/run_program.h"

namespace keel::kvm {
namespace {

using ::testing::HasSubstr;

TEST(System, AnAbsentDeviceIsExplained) {
  const auto system = System::open("/nonexistent/kvm");
  ASSERT_FALSE(system.has_value());
  EXPECT_EQ(system.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(system.error().message(), HasSubstr("no hardware virtualisation"));
  EXPECT_THAT(system.error().message(), HasSubstr("kvm_intel or kvm_amd is not loaded"));
}

TEST(System, SomethingElseIsNoKvm) {
  const auto system = System::open("/dev/null");
  ASSERT_FALSE(system.has_value());
  EXPECT_EQ(system.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(system.error().message(), HasSubstr("/dev/null is no KVM of API version 12"));
}

// In a child without root's privileges, which would open anything.
TEST(System, ARefusalSaysWhatWouldHelp) {
  const testing::TemporaryFile device;
  ASSERT_EQ(::chmod(device.path().c_str(), 0), 0);
  const testing::TemporaryFile told;
  const int report = ::open(told.path().c_str(), O_WRONLY);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    const auto system = System::open(device.path());
    if (system || system.error().code() != ErrorCode::kPermissionDenied) ::_exit(1);
    const std::string& message = system.error().message();
    ::_exit(::write(report, message.data(), message.size()) < 0 ? 3 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(report);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  EXPECT_THAT(told.content(), HasSubstr(device.path() + " may not be opened by user "));
  EXPECT_THAT(told.content(), HasSubstr("its mode 0000 lets no group read and write it"));
}

}  // namespace
}  // namespace keel::kvm
