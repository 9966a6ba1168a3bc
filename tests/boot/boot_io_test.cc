// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "boot/disk_pattern.h"
#include "support/child_program.h"
#include "support/run_program.h"
#include "keel/devices/virtio_net_spec.h"

// Disks and networks inside a stock Debian kernel, by its own drivers (scripts/guest/init-io).
namespace keel::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using Wiring = ChildProgram::Wiring;
namespace fs = std::filesystem;

constexpr std::uint64_t kSeed = 7;
constexpr std::size_t kFetched = 32 << 20;
constexpr std::uint64_t kBlocksOfAFile = 16;  // of disk_worker's

std::string setting(const char* variable) {
  const char* const value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): one thread
  if (value != nullptr) return value;
  ADD_FAILURE() << variable << " is not set; run `./test boot`, which makes the guest's files and names them";
  return "/nonexistent";
}

std::vector<std::string> keel_run(const std::string& words, std::vector<std::string> more) {
  std::vector<std::string> command = {KEEL_PROGRAM, "run",
                                      "--kernel",   setting("KEEL_TEST_VMLINUX"),
                                      "--initrd",   setting("KEEL_TEST_IO_INITRD"),
                                      "--cmdline",  "console=ttyS0 quiet " + words};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

std::string pattern(std::uint64_t blocks, std::uint64_t seed) {
  std::string bytes(blocks * kPatternBlock, '\0');
  for (std::uint64_t i = 0; i < blocks; ++i) {
    fill_pattern({reinterpret_cast<std::uint8_t*>(bytes.data()) + i * kPatternBlock, kPatternBlock}, i, seed);
  }
  return bytes;
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A directory for one test.
class Folder {
 public:
  Folder() {
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }
  std::string write(const std::string& name, std::string_view bytes) const {
    std::ofstream(file(name), std::ios::binary) << bytes;
    return file(name);
  }

 private:
  std::string path_ = "/tmp/keel-boot-XXXXXX";
};

std::string sha256(const std::string& path) {
  const std::string said = run_program({"/usr/bin/sha256sum", path}).out;
  return said.substr(0, said.find(' '));
}

TEST(BootIo, ADiskIsCheckedChangedAndFoundChanged) {
  constexpr std::uint64_t kBlocks = 4096;  // 16 MiB
  const Folder folder;
  const std::string disk = folder.write("disk.img", pattern(kBlocks, kSeed));
  ChildProgram guest(keel_run(fmt::format("keel.seed={} keel.do=disks,check,change", kSeed),
                              {"--disk", disk, "--cpus", "2", "--stats"}),
                     Wiring::kOutputOnly);
  EXPECT_EQ(guest.wait(), 0) << guest.said();
  EXPECT_THAT(guest.said(), HasSubstr("keel-disk vda 16777216 ro=0 disk0"));
  EXPECT_THAT(guest.said(), HasSubstr("keel-check ok"));
  EXPECT_THAT(guest.said(), HasSubstr("keel-change ok"));
  const std::string before = pattern(kBlocks, kSeed);
  const std::string after = pattern(kBlocks, kSeed + 1);
  const std::string found = content_of(disk);
  ASSERT_EQ(found.size(), before.size());
  for (std::size_t block = 0; block < kBlocks; ++block) {
    const std::string& expected = block % 2 == 0 ? after : before;
    const std::size_t at = block * kPatternBlock;
    ASSERT_EQ(found.compare(at, kPatternBlock, expected, at, kPatternBlock), 0) << "block " << block;
  }
  EXPECT_THAT(guest.said(), ContainsRegex("mmio .* virtio-mmio/virtio-block:disk0"));
}

TEST(BootIo, AReadOnlyDiskStaysAsItIs) {
  const Folder folder;
  const std::string disk = folder.write("disk.img", pattern(1024, kSeed));
  ::chmod(disk.c_str(), 0444);
  struct stat before = {};
  ::stat(disk.c_str(), &before);
  ChildProgram guest(keel_run(fmt::format("keel.seed={} keel.do=disks,write,check", kSeed), {"--disk", disk + ",ro"}),
                     Wiring::kOutputOnly);
  EXPECT_EQ(guest.wait(), 0) << guest.said();
  EXPECT_THAT(guest.said(), HasSubstr("ro=1 disk0"));
  EXPECT_THAT(guest.said(), HasSubstr("keel-write 1"));
  EXPECT_THAT(guest.said(), HasSubstr("keel-check ok"));
  EXPECT_TRUE(content_of(disk) == pattern(1024, kSeed));
  struct stat after = {};
  ::stat(disk.c_str(), &after);
  EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
  EXPECT_EQ(before.st_blocks, after.st_blocks);
}

// The last number behind "keel-synced".
std::uint64_t last_synced(const std::string& said) {
  const std::size_t at = said.rfind("keel-synced ");
  return at == std::string::npos ? 0 : std::strtoull(said.c_str() + at + 12, nullptr, 10);
}

TEST(BootIo, WhatTheGuestSyncedSurvivesTheKillOfTheMachine) {
  const Folder folder;
  const std::string disk = folder.write("disk.img", "");
  ASSERT_EQ(::truncate(disk.c_str(), 64 << 20), 0);
  std::uint64_t synced = 0;
  {
    ChildProgram guest(keel_run("keel.do=files", {"--disk", disk}), Wiring::kOutputOnly);
    ASSERT_TRUE(guest.wait_for("keel-synced 20")) << guest.said();
    guest.signal(SIGKILL);
    EXPECT_EQ(guest.wait(), 128 + SIGKILL) << "in the middle of the next files";
    synced = last_synced(guest.said());
  }
  ASSERT_GE(synced, 20u);
  const auto repaired = run_program({"/sbin/e2fsck", "-fy", disk});
  EXPECT_LE(repaired.status, 1) << repaired.out << repaired.err;
  for (std::uint64_t number = 0; number <= synced; ++number) {
    const std::string copy = folder.file("copy");
    run_program({"/sbin/debugfs", "-R", fmt::format("dump /f{} {}", number, copy), disk});
    EXPECT_TRUE(content_of(copy) == pattern(kBlocksOfAFile, number)) << "file " << number << " of " << synced;
    fs::remove(copy);
  }
}

TEST(BootIo, ADiskIsOneMachinesAlone) {
  const Folder folder;
  const std::string disk = folder.write("disk.img", "");
  ASSERT_EQ(::truncate(disk.c_str(), 256 << 20), 0);
  ChildProgram guest(keel_run("keel.do=files", {"--disk", disk}), Wiring::kOutputOnly);
  ASSERT_TRUE(guest.wait_for("keel-synced 1")) << guest.said();  // and writes on until it is ended
  const auto second = run_program(keel_run("", {"--disk", disk}));
  EXPECT_EQ(second.status, 2);
  EXPECT_THAT(second.err, ContainsRegex("in use by process [0-9]+ .keel."));
}

// 32 MiB from the host, and back again.
void expect_same_both_ways(ChildProgram& guest, const Folder& folder) {
  const std::string checksum = sha256(folder.file("big"));
  ASSERT_TRUE(guest.wait_for("keel-serving")) << guest.said();
  EXPECT_THAT(guest.said(), HasSubstr("keel-fetched " + checksum));
  ASSERT_TRUE(guest.wait_for("keel-host-fetched")) << guest.said();
  guest.type("\n");
  EXPECT_EQ(guest.wait(), 0) << guest.said();
  EXPECT_EQ(sha256(folder.file("back")), checksum);
}

// The host's side, which becomes the machine: `prepare`, a server of the folder at `server`, somebody who fetches
// `url` from the guest as soon as it serves. All of them end with the machine.
std::vector<std::string> with_host(const Folder& folder, const std::string& prepare, const std::string& server,
                                   const std::string& url, const std::vector<std::string>& machine) {
  std::string words;
  for (const std::string& word : machine) words += " '" + word + "'";
  const std::string script = fmt::format(
      "set -e; {0}; busybox httpd -p {1} -h {2}\n"
      "(for try in $(seq 100); do sleep 1; busybox wget -q -O {2}/back {3} 2>/dev/null && break; done\n"
      " echo keel-host-fetched) </dev/null & exec{4}",
      prepare, server, folder.path(), url, words);
  std::vector<std::string> command = {"/usr/bin/unshare", "--net", "--pid", "--kill-child"};
  // Who is not root may have namespaces only as the root of another one. Root must not: it would lose its rights to
  // the files of others, as those that an emulated machine sees.
  if (::geteuid() != 0) command.emplace_back("--map-root-user");
  for (const std::string& word : {std::string("--"), std::string("/bin/sh"), std::string("-c"), script})
    command.push_back(word);
  return command;
}

TEST(BootIo, FetchesOverUserModeNetworkingBothWays) {
  const Folder folder;
  folder.write("big", pattern(kFetched / kPatternBlock, kSeed));
  // A network namespace of its own, so that no port is anybody else's.
  const auto machine = keel_run(
      "keel.address=10.0.2.15/24 keel.gateway=10.0.2.2 keel.url=http://10.0.2.2:8000/big keel.do=nets,net,fetch,serve",
      {"--net", "user,hostfwd=tcp:127.0.0.1:8080-:80", "--cpus", "2"});
  ChildProgram guest(with_host(folder, "ip link set lo up", "127.0.0.1:8000", "http://127.0.0.1:8080/fetched", machine),
                     Wiring::kPipes);
  expect_same_both_ways(guest, folder);
  EXPECT_THAT(guest.said(), ContainsRegex("keel-net eth0 02:.* 16384 1 1 "));
}

// Whether the driver of the only network negotiated that feature.
bool negotiated(const std::string& said, std::uint64_t feature) {
  const std::size_t at = said.find(" features=");
  const auto number = static_cast<std::size_t>(std::countr_zero(feature));
  return at != std::string::npos && said.compare(at + 10 + number, 1, "1") == 0;
}

TEST(BootIo, FetchesOverATapBothWays) {
  const Folder folder;
  folder.write("big", pattern(kFetched / kPatternBlock, kSeed));
  const auto machine = keel_run(
      "keel.address=192.0.2.2/24 keel.gateway=192.0.2.1 keel.url=http://192.0.2.1:8000/big "
      "keel.do=nets,net,fetch,serve",
      {"--net", "tap=keel0,mac=52:54:00:12:34:56", "--cpus", "2"});
  const std::string prepare =
      "ip tuntap add dev keel0 mode tap multi_queue; ip addr add 192.0.2.1/24 dev keel0; ip link set keel0 up";
  ChildProgram guest(with_host(folder, prepare, "192.0.2.1:8000", "http://192.0.2.2/fetched", machine), Wiring::kPipes);
  expect_same_both_ways(guest, folder);
  EXPECT_THAT(guest.said(), HasSubstr("keel-net eth0 52:54:00:12:34:56 1500 2 2 ")) << "a queue each way for each vCPU";
  namespace spec = virtio_net;
  for (const std::uint64_t feature :
       {spec::kFeatureChecksum, spec::kFeatureGuestChecksum, spec::kFeatureHostTso4, spec::kFeatureHostTso6,
        spec::kFeatureGuestTso4, spec::kFeatureGuestTso6, spec::kFeatureMergeableBuffers, spec::kFeatureMultiQueue})
    EXPECT_TRUE(negotiated(guest.said(), feature)) << std::countr_zero(feature) << " in " << guest.said();
}

std::vector<std::string> with_disks(const Folder& folder, int count) {
  std::vector<std::string> options;
  for (int i = 0; i < count; ++i) {
    options.insert(options.end(), {"--disk", folder.write(fmt::format("disk{}.img", i), std::string(1 << 20, 'x'))});
  }
  return options;
}

TEST(BootIo, EightDisksFourNetworksAndTheRestInOneGuest) {
  const Folder folder;
  std::vector<std::string> options = with_disks(folder, 8);
  for (int i = 0; i < 4; ++i) options.insert(options.end(), {"--net", "user"});
  options.insert(options.end(), {"--rng", "--console", "--device-threads", "3"});
  ChildProgram guest(keel_run("keel.do=disks,nets,rng,console,irqs", options), Wiring::kOutputOnly);
  EXPECT_EQ(guest.wait(), 0) << guest.said();
  for (int i = 0; i < 8; ++i)
    EXPECT_THAT(guest.said(),
                HasSubstr(fmt::format("keel-disk vd{} 1048576 ro=0 disk{}", static_cast<char>('a' + i), i)));
  for (int i = 0; i < 4; ++i) EXPECT_THAT(guest.said(), HasSubstr(fmt::format("keel-net eth{} ", i)));
  EXPECT_THAT(guest.said(), HasSubstr("keel-rng virtio_rng.0"));
  EXPECT_THAT(guest.said(), HasSubstr("keel-console hvc0"));
  EXPECT_THAT(guest.said(), HasSubstr("ttyS0")) << "and the serial port beside them";
}

TEST(BootIo, OneDeviceTooManyIsToldWhoHasTheIrqs) {
  const Folder folder;
  const auto refused = run_program(keel_run("", with_disks(folder, 24)));
  EXPECT_EQ(refused.status, 2);
  for (const std::string_view holder : {"9 \"acpi-pm\"", "5 \"virtio-mmio/virtio-block:disk0\"", "disk16\""})
    EXPECT_THAT(refused.err, HasSubstr(std::string(holder)));
  EXPECT_EQ(refused.out, "");
}

}  // namespace
}  // namespace keel::testing
