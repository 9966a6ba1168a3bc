// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/child_program.h"
#include "keel/base/unique_fd.h"

// A stock Debian kernel on the keel command, as a user runs it. The guest's init does what keel.do on its command line
// says (scripts/guest/init-test).
namespace keel::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using Wiring = ChildProgram::Wiring;

std::string file_of(const char* variable) {
  const char* const value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): one thread
  if (value == nullptr) {
    ADD_FAILURE() << variable << " is not set; run `./test boot`, which makes the guest's files and names them";
    return "/nonexistent";
  }
  return value;
}

std::vector<std::string> keel_run(const std::string& actions, std::vector<std::string> more = {},
                                  const char* kernel = "KEEL_TEST_VMLINUX") {
  std::vector<std::string> command = {KEEL_PROGRAM, "run",
                                      "--kernel",   file_of(kernel),
                                      "--initrd",   file_of("KEEL_TEST_INITRD"),
                                      "--cmdline",  "console=ttyS0 quiet keel.do=" + actions};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

TEST(Boot, PowersOffWithStatusZeroAndShowsItsHardware) {
  ChildProgram guest(keel_run("cpus,memory,clock,acpi,irqs,poweroff", {"--stats"}), Wiring::kOutputOnly);
  EXPECT_EQ(guest.wait(), 0) << guest.said();
  EXPECT_THAT(guest.said(), HasSubstr("keel-init-ready"));
  EXPECT_THAT(guest.said(), HasSubstr("keel-cpus 1"));
  EXPECT_THAT(guest.said(), HasSubstr("/sys/firmware/acpi/tables/DSDT"));
  EXPECT_THAT(guest.said(), ContainsRegex("4: +[0-9]+ +IO-APIC +4-edge +ttyS0"));
  // --stats
  EXPECT_THAT(guest.said(), HasSubstr("process start to first guest instruction: "));
  EXPECT_THAT(guest.said(), ContainsRegex("PIO write +[0-9]+"));
  EXPECT_THAT(guest.said(), ContainsRegex("pio +.0x3f8, 0x3ff. +com1 +[0-9]+ +[0-9]+ "));
  EXPECT_THAT(guest.said(), HasSubstr(" MB beyond the guest's own"));
}

TEST(Boot, TheGuestsClockIsTheHosts) {
  ChildProgram guest(keel_run("clock,poweroff"), Wiring::kOutputOnly);
  EXPECT_EQ(guest.wait(), 0);
  const auto at = guest.said().find("keel-clock ");
  ASSERT_NE(at, std::string::npos);
  const long long told = std::atoll(guest.said().c_str() + at + 11);
  const long long now = std::time(nullptr);
  EXPECT_LE(told, now + 2);
  EXPECT_GT(told, now - 600);
}

TEST(Boot, TwoProcessorsRun) {
  ChildProgram guest(keel_run("cpus,irqs,poweroff", {"--cpus", "2"}), Wiring::kOutputOnly);
  EXPECT_EQ(guest.wait(), 0) << guest.said();
  EXPECT_THAT(guest.said(), HasSubstr("keel-cpus 2"));
}

TEST(Boot, ABzImageBootsAsTheElfKernelDoes) {
  ChildProgram guest(keel_run("cmdline,poweroff", {"--memory", "1G"}, "KEEL_TEST_BZIMAGE"), Wiring::kOutputOnly);
  EXPECT_EQ(guest.wait(), 0) << guest.said();
  EXPECT_THAT(guest.said(), HasSubstr("keel-cmdline panic=-1 reboot=k,panic_warm pci=off console=ttyS0"));
}

TEST(Boot, MoreMemoryThanFitsBelowTheHoleIsAllThere) {
  ChildProgram guest(keel_run("memory,poweroff", {"--memory", "5G"}), Wiring::kOutputOnly);
  EXPECT_EQ(guest.wait(), 0) << guest.said();
  const auto at = guest.said().find("keel-memory ");
  ASSERT_NE(at, std::string::npos) << guest.said();
  EXPECT_GT(std::atoll(guest.said().c_str() + at + 12), 4'700'000) << "KiB";
}

TEST(Boot, ARestartHasItsOwnStatus) {
  ChildProgram guest(keel_run("reboot"), Wiring::kOutputOnly);
  EXPECT_EQ(guest.wait(), 3) << guest.said();
  EXPECT_THAT(guest.said(), HasSubstr("keel: the guest restarted"));
}

TEST(Boot, APanicHasItsOwnStatus) {
  ChildProgram guest(keel_run("panic"), Wiring::kOutputOnly);
  EXPECT_EQ(guest.wait(), 4) << guest.said();
  EXPECT_THAT(guest.said(), HasSubstr("keel: the guest's kernel panicked"));
}

TEST(Boot, APanicBeforeAnyDriverHasItToo) {
  std::vector<std::string> command = {KEEL_PROGRAM, "run",          "--kernel", file_of("KEEL_TEST_VMLINUX"),
                                      "--cmdline",  "console=ttyS0"};
  ChildProgram guest(command, Wiring::kOutputOnly);  // no initrd, no disk: no root file system
  EXPECT_EQ(guest.wait(), 4) << guest.said();
  EXPECT_THAT(guest.said(), HasSubstr("Unable to mount root fs"));
}

TEST(Boot, InputComesThroughAPipeAndItsEndIsNoEnd) {
  ChildProgram guest(keel_run("echo,cpus,poweroff"), Wiring::kPipes);
  // At once, long before a driver listens: nothing of it may be lost.
  for (int i = 0; i < 40; ++i) {  // more than the FIFO and one line hold
    guest.type(fmt::format("line {} of forty, typed faster than a guest reads\n", i));
  }
  guest.type("\x01x\nend\n");  // an escape key at a terminal only
  guest.close_input();
  EXPECT_EQ(guest.wait(), 0) << guest.said();
  for (int i = 0; i < 40; ++i) EXPECT_THAT(guest.said(), HasSubstr(fmt::format("keel-echo line {} of forty", i)));
  EXPECT_THAT(guest.said(), HasSubstr("keel-echo \x01x\r\n"));
}

TEST(Boot, ASignalStopsTheMachineWithTheSignalsStatus) {
  ChildProgram guest(keel_run("wait"), Wiring::kPipes);
  ASSERT_TRUE(guest.wait_for("keel-waiting")) << guest.said();
  guest.signal(SIGTERM);
  EXPECT_EQ(guest.wait(), 128 + SIGTERM);
}

TEST(Boot, HammeringAnUnclaimedPortSaysNothing) {
  ChildProgram guest(keel_run("run,poweroff", {"--stats"}), Wiring::kOutputOnly);
  EXPECT_EQ(guest.wait(), 0) << guest.said();
  EXPECT_THAT(guest.said(), HasSubstr("keel-test 0")) << "reads of nobody's port are all ones";
  // Counted by port and not talked about.
  EXPECT_THAT(guest.said(), ContainsRegex(" 0x3000 +[0-9]+ +1250\n"));
  EXPECT_LT(guest.said().size(), 4000u) << guest.said();
}

// The writes to all MMIO ranges, as --stats counts them, by exit and by doorbell.
std::uint64_t mmio_writes_served(const std::string& said) {
  static const std::regex row(" mmio +\\[0x[0-9a-f]+, 0x[0-9a-f]+\\] +[^ \n]+\\s+[0-9]+ +([0-9]+) ");
  std::uint64_t sum = 0;
  for (std::sregex_iterator at(said.begin(), said.end(), row); at != std::sregex_iterator(); ++at)
    sum += std::stoull((*at)[1]);
  return sum;
}
std::uint64_t mmio_write_exits(const std::string& said) {
  static const std::regex row("MMIO write +([0-9]+)");
  std::smatch found;
  return std::regex_search(said, found, row) ? std::stoull(found[1]) : 0;
}

TEST(Boot, StockDriversFindTheVirtioDevicesAndReadEntropy) {
  ChildProgram guest(keel_run("modules,virtio,hwrng,irqs,poweroff", {"--rng", "--console", "--stats"}),
                     Wiring::kOutputOnly);
  EXPECT_EQ(guest.wait(), 0) << guest.said();
  EXPECT_THAT(guest.said(), HasSubstr("keel-virtio virtio0 4 virtio_rng"));
  EXPECT_THAT(guest.said(), HasSubstr("keel-virtio virtio1 3 virtio_console"));
  EXPECT_THAT(guest.said(), HasSubstr("keel-hwrng virtio_rng.0 4096 4096 differ"));
  EXPECT_THAT(guest.said(), ContainsRegex("5: +[0-9]+ +IO-APIC +5-edge +virtio0"));
  EXPECT_THAT(guest.said(), ContainsRegex("virtio-mmio/virtio-rng:rng0[[:space:]]+[0-9]+ +[0-9]+ "));
  // Notifications go by doorbell: the devices get more writes than the vCPU exits for.
  EXPECT_GT(mmio_writes_served(guest.said()), mmio_write_exits(guest.said())) << guest.said();
}

TEST(Boot, TheConsoleCarriesWhatIsPipedInBeforeItsDriverIsUp) {
  ChildProgram guest(keel_run("modules,hvc,poweroff", {"--console"}), Wiring::kPipes);
  for (int i = 0; i < 100; ++i) guest.type(fmt::format("line {} of a hundred for the console\n", i));
  guest.type("end\n");
  guest.close_input();
  EXPECT_EQ(guest.wait(), 0) << guest.said();
  for (int i = 0; i < 100; ++i) EXPECT_THAT(guest.said(), HasSubstr(fmt::format("keel-hvc-echo line {} of a", i)));
}

TEST(Boot, TheConsoleHasTheTerminalsSize) {
  ChildProgram guest(keel_run("modules,hvc,poweroff", {"--console"}), Wiring::kTerminal);
  guest.resize_terminal(111, 33);
  ASSERT_TRUE(guest.wait_for("keel-hvc ")) << guest.said();
  // The guest takes a new size in its own time.
  const auto shows = [&](const std::string& size) {
    for (int i = 0; i < 60; ++i) {
      guest.type("size\n");
      if (guest.wait_for("keel-hvc " + size, std::chrono::seconds(1))) return true;
    }
    return false;
  };
  EXPECT_TRUE(shows("33 111")) << guest.said();
  guest.resize_terminal(90, 40);
  EXPECT_TRUE(shows("40 90")) << guest.said();
  guest.type("end\n");
  EXPECT_EQ(guest.wait(), 0) << guest.said();
}

TEST(Boot, APortIsAChannelToTheGuest) {
  const std::string path = fmt::format("/tmp/keel-boot-{}.socket", ::getpid());
  ChildProgram guest(keel_run("modules,port,poweroff", {"--port", "agent=" + path, "--console"}), Wiring::kOutputOnly);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(static_cast<char*>(address.sun_path), sizeof(address.sun_path) - 1);
  const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  int attempts = 0;
  while (::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    ASSERT_LT(++attempts, 600) << guest.said();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  ASSERT_EQ(::send(client.get(), "over\n", 5, MSG_NOSIGNAL), 5);
  EXPECT_EQ(guest.wait(), 0) << guest.said();
  std::array<char, 64> answer{};
  EXPECT_GT(::recv(client.get(), answer.data(), answer.size() - 1, MSG_DONTWAIT), 0);
  EXPECT_STREQ(answer.data(), "keel-port over\n");
}

TEST(Boot, AShellOnATerminalIsUsableAndTheTerminalComesBack) {
  std::vector<std::string> command = {KEEL_PROGRAM, "run",
                                      "--kernel",   file_of("KEEL_TEST_VMLINUX"),
                                      "--initrd",   file_of("KEEL_TEST_SHELL_INITRD"),
                                      "--cmdline",  "console=ttyS0 quiet"};
  ChildProgram guest(command, Wiring::kTerminal);
  ASSERT_TRUE(guest.wait_for("keel:/root# ")) << guest.said();
  EXPECT_EQ(guest.terminal_settings().c_lflag & (ICANON | ECHO | ISIG), 0u) << "raw while the guest runs";
  guest.type("echo answer=$((6 * 7))\r");
  EXPECT_TRUE(guest.wait_for("answer=42")) << guest.said();
  EXPECT_TRUE(guest.wait_for("keel:/root# ")) << guest.said();
  // The key must not come before the command is in the foreground, so let it say that it runs.
  guest.type("sh -c 'echo asl\"\"eep; exec sleep 1000'\r");
  EXPECT_TRUE(guest.wait_for("asleep")) << guest.said();
  guest.type("\x03");  // the interrupt key is the guest's
  EXPECT_TRUE(guest.wait_for("keel:/root# ")) << guest.said();
  guest.type("echo status=$?\r");
  EXPECT_TRUE(guest.wait_for("status=130")) << guest.said();
  guest.type("\x01x");
  EXPECT_EQ(guest.wait(), 6);
  const termios after = guest.terminal_settings();
  const termios& before = guest.terminal_settings_before();
  EXPECT_EQ(after.c_lflag, before.c_lflag);
  EXPECT_EQ(after.c_iflag, before.c_iflag);
  EXPECT_EQ(after.c_oflag, before.c_oflag);
}

}  // namespace
}  // namespace keel::testing
