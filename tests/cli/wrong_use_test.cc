// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/run_program.h"
#include "support/tiny_kernel.h"

// What somebody sees who uses the command wrongly. None of it needs /dev/kvm: the configuration is judged first.
namespace keel::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kWrongUse = 2;

ProgramResult keel(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), KEEL_PROGRAM);
  return run_program(arguments);
}

// One line on standard error, nothing on standard output, the status of wrong use.
void expect_refusal(const ProgramResult& result, const std::string& says) {
  EXPECT_EQ(result.status, kWrongUse);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, StartsWith("keel: "));
  EXPECT_THAT(result.err, HasSubstr(says));
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
}

// The smallest ELF header that claims to be a 64-bit program of `machine`.
std::string elf_of_machine(char machine) {
  std::string file(4096, '\0');
  file.replace(0, 7,
               std::string("\x7f"
                           "ELF\x02\x01\x01",
                           7));
  file[16] = 2;
  file[18] = machine;
  return file;
}

TEST(WrongUse, NoCommandAndUnknownOptions) {
  expect_refusal(keel({}), "subcommand");
  expect_refusal(keel({"fly"}), "");
  expect_refusal(keel({"run", "--kernel", "/dev/null", "--warp", "9"}), "--warp");
  expect_refusal(keel({"run", "--kernel"}), "--kernel");
  expect_refusal(keel({"run", "--kernel", "x", "--cpus", "many"}), "--cpus");
}

// The value of "--option=" is empty, and not what follows.
TEST(WrongUse, AnEmptyValueSwallowsNothing) {
  const TemporaryFile kernel(tiny_kernel({0xf4}));
  expect_refusal(keel({"inspect", "--kernel", kernel.path(), "--cmdline=", "--cpus=0"}), "vCPU");
  expect_refusal(keel({"inspect", "--kernel=", "--cpus=1"}), "kernel");
  EXPECT_EQ(keel({"inspect", "--kernel", kernel.path(), "--cmdline=", "--cpus=1"}).status, 0);
}

TEST(WrongUse, NoKernelOrUnreadableKernel) {
  expect_refusal(keel({"run"}), "--kernel");
  expect_refusal(keel({"run", "--kernel", "/nonexistent/vmlinuz"}), "/nonexistent/vmlinuz: No such file");
  expect_refusal(keel({"run", "--kernel", "/"}), "/");
}

TEST(WrongUse, DisksThatCannotBe) {
  const TemporaryFile kernel(tiny_kernel({0xf4}));
  const auto with_disk = [&](const std::string& disk) {
    return keel({"run", "--kernel", kernel.path(), "--disk", disk});
  };
  expect_refusal(with_disk("/nonexistent/disk.img"), "disk /nonexistent/disk.img: No such file");
  expect_refusal(with_disk("/tmp"), "this is a directory");
  expect_refusal(with_disk("x,rw"), "--disk \"x,rw\": \"rw\" is no option of a disk; there is ro");
  const TemporaryFile odd(std::string(700, 'x'));
  expect_refusal(with_disk(odd.path()), "700 bytes are no multiple of 512");
  const TemporaryFile disk(std::string(512, 'x'));
  expect_refusal(keel({"run", "--kernel", kernel.path(), "--disk", disk.path(), "--disk", disk.path() + ",ro"}),
                 "this machine already has it");
}

// Whatever the host: this one has no KVM either.
TEST(WrongUse, ADeviceMoreThanThereAreInterruptsFor) {
  const TemporaryFile kernel(tiny_kernel({0xf4}));
  std::vector<std::string> command = {"run", "--kernel", kernel.path(), "--kvm", "/nonexistent/kvm", "--device-threads",
                                      "1"};
  std::deque<TemporaryFile> disks;
  for (int i = 0; i < 24; ++i) {
    command.insert(command.end(), {"--disk", disks.emplace_back(std::string(512, 'x')).path()});
  }
  expect_refusal(keel(command), "no irq is left");
}

TEST(WrongUse, NetworksThatCannotBe) {
  const TemporaryFile kernel(tiny_kernel({0xf4}));
  const auto with_net = [&](const std::string& net) { return keel({"run", "--kernel", kernel.path(), "--net", net}); };
  expect_refusal(with_net("vlan"), "\"vlan\" is no network; write user");
  expect_refusal(with_net("user,hostfwd=80"), "write tcp:127.0.0.1:8080-:80");
  expect_refusal(with_net("tap=keel-nobody"), "ip tuntap add dev keel-nobody mode tap");
}

TEST(WrongUse, NotAKernel) {
  const TemporaryFile empty;
  expect_refusal(keel({"run", "--kernel", empty.path()}), "empty");
  const TemporaryFile text("#!/bin/sh\necho hello\n" + std::string(5000, ' '));
  expect_refusal(keel({"run", "--kernel", text.path()}), text.path());
  const TemporaryFile arm(elf_of_machine('\xb7'));
  expect_refusal(keel({"run", "--kernel", arm.path()}), arm.path());
}

TEST(WrongUse, MemoryTooSmallOrAbsurd) {
  const TemporaryFile kernel("x");
  expect_refusal(keel({"run", "--kernel", kernel.path(), "--memory", "0"}), "memory");
  expect_refusal(keel({"run", "--kernel", kernel.path(), "--memory", "64K"}), "memory");
  expect_refusal(keel({"run", "--kernel", kernel.path(), "--memory", "4000000T"}), "memory");
  expect_refusal(keel({"run", "--kernel", kernel.path(), "--memory", "lots"}), "\"lots\" is no memory size");
  expect_refusal(keel({"run", "--kernel", kernel.path(), "--memory", "512000001"}), "memory");
}

TEST(WrongUse, AnInitrdThatDoesNotFit) {
  const TemporaryFile kernel(tiny_kernel({0xf4}));
  const TemporaryFile initrd(std::string(64 << 20, 'i'));
  expect_refusal(keel({"run", "--kernel", kernel.path(), "--initrd", initrd.path(), "--memory", "64M"}), initrd.path());
  expect_refusal(keel({"run", "--kernel", kernel.path(), "--initrd", "/nonexistent"}), "/nonexistent");
}

TEST(WrongUse, TooFewOrTooManyCpus) {
  const TemporaryFile kernel("x");
  expect_refusal(keel({"run", "--kernel", kernel.path(), "--cpus", "0"}), "vCPU");
  expect_refusal(keel({"run", "--kernel", kernel.path(), "--cpus", "100000"}), "vCPU");
}

TEST(Help, SaysTheExitStatuses) {
  const ProgramResult help = keel({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("4 the guest panicked"));
  EXPECT_EQ(keel({"--version"}).status, 0);
}

}  // namespace
}  // namespace keel::testing
