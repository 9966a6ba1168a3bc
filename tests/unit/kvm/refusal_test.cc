// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/kvm/refusal.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/run_program.h"

namespace keel::kvm {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr gid_t kKvm = 106;
const DeviceNode kUsual{.mode = S_IFCHR | 0660, .owner = 0, .group = kKvm, .group_name = "kvm"};
const Caller kStranger{.user = 1000, .groups = {1000, 27}};

std::string open_advice(const DeviceNode& node, const Caller& caller) {
  const Error error = explain_open("/dev/kvm", EACCES, node, caller);
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(error.message(), HasSubstr("/dev/kvm may not be opened by user 1000: "));
  return error.message();
}

TEST(Refusal, AGroupThatMayIsToBeJoined) {
  EXPECT_THAT(open_advice(kUsual, kStranger),
              HasSubstr("join its group \"kvm\" (sudo usermod -aG kvm \"$USER\", then log in again)"));
}

TEST(Refusal, AGroupThatMayNotIsNotWorthJoining) {
  for (const mode_t mode : {0600u, 0640u, 0620u, 0000u, 0606u}) {
    DeviceNode node = kUsual;
    node.mode = S_IFCHR | mode;
    EXPECT_THAT(open_advice(node, kStranger),
                AllOf(HasSubstr("lets no group read and write it"),
                      HasSubstr("sudo chgrp kvm /dev/kvm && sudo chmod 660 /dev/kvm"), Not(HasSubstr("usermod"))));
  }
  DeviceNode node = kUsual;
  node.mode = S_IFCHR | 0600;
  EXPECT_THAT(open_advice(node, kStranger), HasSubstr("its mode 0600 "));
}

TEST(Refusal, NobodyIsToJoinTheGroupRoot) {
  const DeviceNode roots{.mode = S_IFCHR | 0660, .owner = 0, .group = 0, .group_name = "root"};
  EXPECT_THAT(open_advice(roots, kStranger), AllOf(HasSubstr("it belongs to root and the group root"),
                                                   HasSubstr("sudo chgrp kvm /dev/kvm"), Not(HasSubstr("usermod"))));
}

TEST(Refusal, WhoIsInTheGroupAlreadyLooksElsewhere) {
  const Caller member{.user = 1000, .groups = {1000, kKvm}};
  EXPECT_THAT(open_advice(kUsual, member),
              AllOf(HasSubstr("is in its group \"kvm\""), HasSubstr("a container"), Not(HasSubstr("usermod"))));
}

TEST(Refusal, ADirectoryMayBeInTheWay) {
  const Error error = explain_open("/closed/kvm", EACCES, std::nullopt, kStranger);
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(error.message(), HasSubstr("directory"));
}

TEST(Refusal, AnAbsentDeviceIsNotThere) {
  for (const int error_number : {ENOENT, ENODEV, ENXIO}) {
    const Error error = explain_open("/dev/kvm", error_number, std::nullopt, kStranger);
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_THAT(error.message(), HasSubstr("/dev/kvm is not there: "));
  }
  EXPECT_EQ(explain_open("/dev/kvm", EMFILE, kUsual, kStranger).code(), ErrorCode::kIo);
}

TEST(Refusal, AMachineIsRefusedWithTheReason) {
  struct Case {
    int error_number;
    ErrorCode code;
    const char* says;
  };
  for (const Case& refused : {
           Case{EBUSY, ErrorCode::kInvalidState, "another hypervisor (VirtualBox, VMware)"},
           Case{ENODEV, ErrorCode::kUnsupported, "switched off in the firmware"},
           Case{EOPNOTSUPP, ErrorCode::kUnsupported, "no hardware virtualisation"},
           Case{EACCES, ErrorCode::kPermissionDenied, "system call filter"},
           Case{EPERM, ErrorCode::kPermissionDenied, "security module"},
           Case{EMFILE, ErrorCode::kExhausted, "ulimit -n"},
           Case{ENFILE, ErrorCode::kExhausted, "fs.file-max"},
           Case{ENOMEM, ErrorCode::kExhausted, "no memory left"},
           Case{EIO, ErrorCode::kIo, "KVM_CREATE_VM: Input/output error"},
       }) {
    const Error error = explain_create_vm(refused.error_number);
    EXPECT_EQ(error.code(), refused.code) << error.message();
    EXPECT_THAT(error.message(), AllOf(HasSubstr("KVM_CREATE_VM"), HasSubstr(refused.says)));
  }
}

TEST(Refusal, ANodeIsLookedAtAsItIs) {
  const testing::TemporaryFile file;
  ASSERT_EQ(::chmod(file.path().c_str(), 0640), 0);
  const auto node = look_at(file.path());
  ASSERT_TRUE(node.has_value());
  EXPECT_EQ(node->mode & 0777u, 0640u);
  EXPECT_EQ(node->owner, ::geteuid());
  EXPECT_FALSE(node->group_name.empty());
  EXPECT_FALSE(look_at("/nonexistent/kvm").has_value());
  EXPECT_EQ(this_process().user, ::geteuid());
  EXPECT_THAT(this_process().groups, Contains(::getegid()));
}

}  // namespace
}  // namespace keel::kvm
