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

TEST(WrongUse, NetworksThatDoNotGoTogether) {
  const TemporaryFile kernel(tiny_kernel({0xf4}));
  const auto with_nets = [&](const std::string& one, const std::string& other) {
    return keel({"run", "--kernel", kernel.path(), "--net", one, "--net", other});
  };
  expect_refusal(with_nets("user", "user,mac=00:00:00:00:00:00"), "00:00:00:00:00:00 is nobody's address");
  expect_refusal(with_nets("user,mac=52:54:00:00:00:01", "user,mac=52:54:00:00:00:01"),
                 "net0 and net1 are both to have the MAC address 52:54:00:00:00:01");
  expect_refusal(with_nets("tap=keel-nobody", "tap=keel-nobody"), "net0 and net1 are both to have tap keel-nobody");
}

TEST(WrongUse, PortsThatCannotBe) {
  const TemporaryFile kernel(tiny_kernel({0xf4}));
  const auto with = [&](std::vector<std::string> options) {
    options.insert(options.begin(), {"run", "--kernel", kernel.path(), "--kvm", "/nonexistent/kvm"});
    return keel(options);
  };
  expect_refusal(with({"--port", "agent"}), "--port \"agent\": write NAME=SOCKET");
  expect_refusal(with({"--port", "a=/nonexistent/x"}), "make socket \"/nonexistent/x\": No such file");
  expect_refusal(with({"--port", "a=" + std::string(200, 's')}), "a path has 1 to 107 bytes");
  expect_refusal(with({"--port", "a=/tmp/keel-1", "--port", "a=/tmp/keel-2"}),
                 "the ports of sockets \"/tmp/keel-1\" and \"/tmp/keel-2\" are both named \"a\"");
  expect_refusal(with({"--console", "--port", "console=/tmp/keel-1"}), "the name of the console's own port");
  expect_refusal(with({"--port", std::string(65, 'n') + "=/tmp/keel-1"}),
                 "a name has at most 64 bytes, and this has 65");
  std::vector<std::string> ports;
  for (int i = 0; i < 32; ++i) ports.insert(ports.end(), {"--port", "p" + std::to_string(i) + "=/tmp/keel-1"});
  expect_refusal(with(ports), "32 ports asked for; a machine has up to 31");
}

TEST(WrongUse, FlagsTakeNoValue) {
  for (const std::string flag : {"--rng", "--console"}) {
    expect_refusal(keel({"run", "--kernel", "x", flag, "yes"}), "yes");
    expect_refusal(keel({"run", "--kernel", "x", flag + "=some"}), flag);
  }
}

TEST(WrongUse, DeviceThreadsThatCannotBe) {
  const TemporaryFile kernel(tiny_kernel({0xf4}));
  const auto with_threads = [&](const std::string& count) {
    return keel({"run", "--kernel", kernel.path(), "--device-threads", count});
  };
  expect_refusal(with_threads("0"), "0 device threads asked for; a machine has 1 to 64");
  expect_refusal(with_threads("65"), "65 device threads");
  expect_refusal(with_threads("-1"), "--device-threads");
  expect_refusal(with_threads("some"), "--device-threads");
}

TEST(WrongUse, WaysToTellOfVirtioDevices) {
  const TemporaryFile kernel(tiny_kernel({0xf4}));
  expect_refusal(keel({"run", "--kernel", kernel.path(), "--virtio-mmio", "pci"}), "--virtio-mmio");
  // 2047 characters are what this kernel takes.
  const std::vector<std::string> crowded = {"--kernel", kernel.path(), "--rng", "--cmdline", std::string(2000, 'x')};
  for (const std::string command : {"run", "inspect"}) {
    std::vector<std::string> arguments = {command, "--virtio-mmio", "cmdline"};
    arguments.insert(arguments.end(), crowded.begin(), crowded.end());
    expect_refusal(keel(arguments), "the kernel cannot be told of virtio-rng \"rng0\"");
  }
  std::vector<std::string> by_acpi = {"inspect", "--virtio-mmio", "acpi"};
  by_acpi.insert(by_acpi.end(), crowded.begin(), crowded.end());
  EXPECT_EQ(keel(by_acpi).status, 0);
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
