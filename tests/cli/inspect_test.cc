// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/run_program.h"
#include "unit/arch/x86_64/kernel_files.h"

// What `keel inspect` says of a machine. It opens no /dev/kvm.
namespace keel::testing {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class Inspect : public ::testing::Test {
 protected:
  ProgramResult inspect(std::vector<std::string> options = {}) {
    options.insert(options.begin(), {KEEL_PROGRAM, "inspect", "--kernel", kernel_.path()});
    return run_program(options);
  }
  Json json(std::vector<std::string> options = {}) {
    options.insert(options.end(), {"--format", "json"});
    const ProgramResult result = inspect(options);
    EXPECT_EQ(result.status, 0) << result.err;
    return Json::parse(result.out);
  }

 private:
  static std::string kernel_bytes() {
    const auto file = x86_64::testing::make_bzimage();
    return {file.bytes.begin(), file.bytes.end()};
  }
  TemporaryFile kernel_{kernel_bytes()};
};

constexpr const char* kSmallMachine =
    "devices (type in parentheses: reserved, not Keel's to play)\n"
    "    1  ram                (ram)         memory slot 0\n"
    "    2  pic                (kvm-pic)     pio [0x20, 0x21], pio [0xa0, 0xa1],\n"
    "                                        pio [0x4d0, 0x4d1], irq 2\n"
    "    3  pit                (kvm-pit)     pio [0x40, 0x43], pio [0x61, 0x61],\n"
    "                                        irq 0\n"
    "    4  rtc-irq            (empty)       irq 8\n"
    "    5  ioapic             (kvm-ioapic)  mmio [0xfec00000, 0xfec00fff]\n"
    "    6  local-apic         (kvm-lapic)   mmio [0xfee00000, 0xfee00fff]\n"
    "    7  chipset            (empty)       mmio [0xfec01000, 0xfedfffff],\n"
    "                                        mmio [0xfee01000, 0xfffbbfff]\n"
    "    8  firmware           (empty)       mmio [0xfffbc000, 0xffffffff]\n"
    "    9  com1               uart16550     pio [0x3f8, 0x3ff], irq 4\n"
    "   10  rtc                mc146818      pio [0x70, 0x71]\n"
    "   11  i8042              i8042         pio [0x60, 0x60], pio [0x64, 0x64],\n"
    "                                        irq 1\n"
    "   12  acpi-pm            acpi-pm       pio [0x600, 0x603], pio [0x604, 0x605],\n"
    "                                        irq 9\n"
    "\n"
    "ram\n"
    "  [0x0, 0x7ffffff]                              0x8000000\n"
    "\n"
    "pio [0x0, 0xffff]\n"
    "  [0x0, 0x1f]                                        0x20  (free)\n"
    "  [0x20, 0x21]                                        0x2  pic\n"
    "  [0x22, 0x3f]                                       0x1e  (free)\n"
    "  [0x40, 0x43]                                        0x4  pit\n"
    "  [0x44, 0x5f]                                       0x1c  (free)\n"
    "  [0x60, 0x60]                                        0x1  i8042\n"
    "  [0x61, 0x61]                                        0x1  pit\n"
    "  [0x62, 0x63]                                        0x2  (free)\n"
    "  [0x64, 0x64]                                        0x1  i8042\n"
    "  [0x65, 0x6f]                                        0xb  (free)\n"
    "  [0x70, 0x71]                                        0x2  rtc\n"
    "  [0x72, 0x9f]                                       0x2e  (free)\n"
    "  [0xa0, 0xa1]                                        0x2  pic\n"
    "  [0xa2, 0x3f7]                                     0x356  (free)\n"
    "  [0x3f8, 0x3ff]                                      0x8  com1\n"
    "  [0x400, 0x4cf]                                     0xd0  (free)\n"
    "  [0x4d0, 0x4d1]                                      0x2  pic\n"
    "  [0x4d2, 0x5ff]                                    0x12e  (free)\n"
    "  [0x600, 0x603]                                      0x4  acpi-pm\n"
    "  [0x604, 0x605]                                      0x2  acpi-pm\n"
    "  [0x606, 0xffff]                                  0xf9fa  (free)\n"
    "\n"
    "mmio below 4 GiB [0xc0000000, 0xffffffff]\n"
    "  [0xc0000000, 0xfebfffff]                     0x3ec00000  (free)\n"
    "  [0xfec00000, 0xfec00fff]                         0x1000  ioapic\n"
    "  [0xfec01000, 0xfedfffff]                       0x1ff000  chipset\n"
    "  [0xfee00000, 0xfee00fff]                         0x1000  local-apic\n"
    "  [0xfee01000, 0xfffbbfff]                      0x11bb000  chipset\n"
    "  [0xfffbc000, 0xffffffff]                        0x44000  firmware\n"
    "\n"
    "mmio above 4 GiB [0x100000000, 0x7fffffffff]\n"
    "  [0x100000000, 0x7fffffffff]                0x7f00000000  (free)\n"
    "\n"
    "irqs [0, 23]\n"
    "  0             pit\n"
    "  1             i8042\n"
    "  2             pic\n"
    "  3             (free)\n"
    "  4             com1\n"
    "  [5, 7]        (free)\n"
    "  8             rtc-irq\n"
    "  9             acpi-pm\n"
    "  [10, 23]      (free)\n"
    "\n"
    "msi gsis [24, 4079]\n"
    "  [24, 4079]    (free)\n"
    "\n"
    "memory slots [0, 508]\n"
    "  0             ram\n"
    "  [1, 508]      (free)\n"
    "\n"
    "interrupts\n"
    "  gsi 1         i8042: edge, irqfd\n"
    "  gsi 4         com1: edge, irqfd\n"
    "  gsi 9         acpi-pm: level, KVM_IRQ_LINE\n"
    "\n"
    "doorbells, each an eventfd\n"
    "  (none)\n";

TEST_F(Inspect, PrintsTheMachineForPeople) {
  const ProgramResult result = inspect({"--memory", "128M"});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out, kSmallMachine);
  EXPECT_EQ(inspect({"--memory", "128M", "--format", "text"}).out, kSmallMachine);
}

TEST_F(Inspect, FitsATerminal) {
  std::istringstream lines(inspect({"--memory", "64G", "--cpus", "8"}).out);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_LE(line.size(), 80u) << line;
  EXPECT_GT(count, 50u);
}

TEST_F(Inspect, TakesTheOptionsOfRun) {
  const std::string out = inspect({"--memory", "4G", "--cpus", "2", "--cmdline", "console=ttyS0 single"}).out;
  EXPECT_THAT(out, HasSubstr("[0x0, 0xbfffffff]                            0xc0000000\n"
                             "  [0x100000000, 0x13fffffff]                   0x40000000\n"));
  EXPECT_THAT(out, HasSubstr("  [0, 1]        ram\n"));
}

// The ranges of one JSON map: how many, and that they are one after another without gap or overlap.
std::size_t expect_gapless(const Json& ranges) {
  for (std::size_t i = 1; i < ranges.size(); ++i)
    EXPECT_EQ(ranges[i]["first"].get<std::uint64_t>(), ranges[i - 1]["last"].get<std::uint64_t>() + 1) << ranges[i];
  return ranges.size();
}

TEST_F(Inspect, PrintsTheSameForPrograms) {
  const Json map = json({"--memory", "128M"});
  const auto com1 = std::ranges::find_if(map["devices"], [](const Json& device) { return device["name"] == "com1"; });
  ASSERT_NE(com1, map["devices"].end());
  EXPECT_EQ(*com1, Json::parse(R"({
    "id": 9, "parent": null, "name": "com1", "path": "com1", "type": "uart16550", "role": "device",
    "resources": [{"kind": "pio", "first": 1016, "last": 1023}, {"kind": "irq", "gsi": 4}]
  })"));
  EXPECT_EQ(map["devices"].size(), 12u);
  EXPECT_EQ(map["ram"], Json::parse(R"([{"first": 0, "last": 134217727}])"));
  EXPECT_EQ(expect_gapless(map["pio"]), 21u);
  EXPECT_EQ(map["pio"][0], Json::parse(R"({"first": 0, "last": 31, "owner": null})"));
  EXPECT_EQ(map["pio"][1], Json::parse(R"({"first": 32, "last": 33, "owner": "pic"})"));
  EXPECT_EQ(expect_gapless(map["mmio_below_4gib"]), 6u);
  EXPECT_EQ(map["mmio_below_4gib"].back()["last"], 0xffff'ffffu);
  EXPECT_EQ(map["mmio_above_4gib"], Json::parse(R"([{"first": 4294967296, "last": 549755813887, "owner": null}])"));
  EXPECT_EQ(expect_gapless(map["irqs"]), 9u);
  EXPECT_EQ(map["irqs"][4], Json::parse(R"({"first": 4, "last": 4, "owner": "com1"})"));
  EXPECT_EQ(map["msi_gsis"], Json::parse(R"([{"first": 24, "last": 4079, "owner": null}])"));
  EXPECT_EQ(map["interrupts"].size(), 3u);
  EXPECT_EQ(map["interrupts"][1], Json::parse(R"({"gsi": 4, "owner": "com1", "index": 0, "path": "irqfd",
    "enabled": true, "masked": false, "pending": false, "trigger": "edge"})"));
  EXPECT_EQ(map["doorbells"], Json::array());
  EXPECT_EQ(map["memory_slots"][0], Json::parse(R"({"first": 0, "last": 0, "owner": "ram"})"));
}

TEST_F(Inspect, RefusesWhatRunRefuses) {
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
           {"--kernel", "/nonexistent/vmlinuz"},
           {"--kernel", "/dev/null", "--memory", "64K"},
           {"--kernel", "/dev/null", "--cpus", "0"},
           {"--kernel", "/dev/null"},
           {},
       }) {
    std::vector<std::string> inspect = {KEEL_PROGRAM, "inspect"};
    std::vector<std::string> run = {KEEL_PROGRAM, "run"};
    inspect.insert(inspect.end(), wrong.begin(), wrong.end());
    run.insert(run.end(), wrong.begin(), wrong.end());
    const ProgramResult result = run_program(inspect);
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.err, run_program(run).err);
  }
}

TEST_F(Inspect, KnowsTwoFormats) {
  const ProgramResult result = inspect({"--format", "xml"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("--format"));
}

TEST_F(Inspect, ShowsEntropyConsoleAndPorts) {
  const ProgramResult result = inspect({"--rng", "--console", "--port", "agent=/nowhere/at/all"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("virtio-mmio/virtio-rng:rng0: edge, irqfd"));
  EXPECT_THAT(result.out, HasSubstr("virtio-mmio/virtio-console:console0: edge, irqfd"));
  // Doorbells of two ports and of the control queues.
  EXPECT_THAT(result.out, HasSubstr("0xc0001050 (4 bytes, value 0x5)"));
}

TEST_F(Inspect, ShowsDisksAndNetworksWithoutOpeningThem) {
  const ProgramResult result = inspect(
      {"--disk", "/nonexistent/a.img", "--disk", "/nonexistent/b.img,ro", "--net", "user", "--net", "tap=nobody"});
  EXPECT_EQ(result.status, 0) << result.err;
  for (const char* const line : {"virtio-block:disk0", "virtio-block:disk1", "virtio-net:net0", "virtio-net:net1"})
    EXPECT_THAT(result.out, HasSubstr(line));
  const Json json = this->json({"--disk", "/nonexistent/a.img"});
  const auto disk = std::ranges::find(json["devices"], "virtio-mmio/virtio-block:disk0",
                                      [](const Json& device) { return device["path"].get<std::string>(); });
  ASSERT_NE(disk, json["devices"].end());
  EXPECT_EQ((*disk)["type"], "virtio-block");
}

TEST_F(Inspect, SaysWhatItCannotKnowOfATapThatIsNotThere) {
  const ProgramResult several = inspect({"--cpus", "4", "--net", "user", "--net", "tap=keel-nobody"});
  EXPECT_EQ(several.status, 0);
  EXPECT_EQ(several.err,
            "keel: note: net1: this host knows of no tap keel-nobody; shown with one queue pair, of up to 4 that it "
            "has where the tap is made with multi_queue\n");
  EXPECT_EQ(inspect({"--cpus", "1", "--net", "tap=keel-nobody"}).err, "") << "it has one in any case";
}

TEST_F(Inspect, TakesEitherWayToTellOfVirtioDevices) {
  const std::string by_acpi = inspect({"--rng"}).out;
  EXPECT_EQ(inspect({"--rng", "--virtio-mmio", "acpi"}).out, by_acpi);
  EXPECT_EQ(inspect({"--rng", "--virtio-mmio", "cmdline"}).out, by_acpi) << "it is the same machine";
}

TEST_F(Inspect, OneDeviceTooManyIsToldWhoHasTheIrqs) {
  std::vector<std::string> disks;
  for (int i = 0; i < 24; ++i) disks.insert(disks.end(), {"--disk", "x"});
  const ProgramResult result = inspect(disks);
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("no irq is left"));
  EXPECT_THAT(result.err, HasSubstr("9 \"acpi-pm\""));
  EXPECT_THAT(result.err, HasSubstr("virtio-block:disk0"));
}

}  // namespace
}  // namespace keel::testing
