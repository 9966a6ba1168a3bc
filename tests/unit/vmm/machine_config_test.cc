// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/machine_config.h"

#include <string>

#include <gtest/gtest.h>

namespace keel {
namespace {

TEST(ParseMemorySize, TakesBytesAndUnits) {
  EXPECT_EQ(parse_memory_size("4096").value(), 4096u);
  EXPECT_EQ(parse_memory_size("64K").value(), 64u << 10);
  EXPECT_EQ(parse_memory_size("512M").value(), 512u << 20);
  EXPECT_EQ(parse_memory_size("2g").value(), 2ull << 30);
  EXPECT_EQ(parse_memory_size("1T").value(), 1ull << 40);
  EXPECT_EQ(parse_memory_size("0").value(), 0u);
}

TEST(ParseMemorySize, SaysWhatIsWrong) {
  for (const char* text : {"", "M", "-1", "512MB", "1.5G", "0x10", " 5"}) {
    const auto result = parse_memory_size(text);
    ASSERT_FALSE(result.has_value()) << text;
    EXPECT_EQ(result.error().message(),
              fmt::format("\"{}\" is no memory size; write bytes, or 512M, 2G and the like", text));
  }
  EXPECT_EQ(parse_memory_size("99999999999999999999").error().message(),
            "memory size \"99999999999999999999\" does not fit into 64 bits");
  EXPECT_FALSE(parse_memory_size("17179869184G").has_value());
  EXPECT_TRUE(parse_memory_size("17179869183G").has_value());
}

TEST(DeviceThreads, AreOneForEachDiskAndNetworkUnlessToldOtherwise) {
  MachineConfig config;
  EXPECT_EQ(device_thread_count(config), 1u);
  config.disks.resize(3);
  config.networks.resize(2);
  EXPECT_EQ(device_thread_count(config), 5u);
  config.disks.resize(100);
  EXPECT_EQ(device_thread_count(config), MachineConfig::kMaxDeviceThreads);
  config.device_threads = 2;
  EXPECT_EQ(device_thread_count(config), 2u);
  config.disks.clear();
  config.networks.clear();
  EXPECT_EQ(device_thread_count(config), 1u) << "nobody would work on the other";
}

std::string refusal(const MachineConfig& config) {
  const auto checked = check_devices(config);
  return checked ? "(it was accepted)" : checked.error().message();
}

TEST(CheckDevices, PortsAreKnownByTheirNames) {
  MachineConfig config;
  config.ports = {{.name = "agent", .socket = "a"}, {.name = "log", .socket = "b"}, {.name = "console", .socket = "c"}};
  EXPECT_EQ(refusal(config), "(it was accepted)");
  config.ports[1].name = "agent";
  EXPECT_EQ(
      refusal(config),
      "the ports of sockets \"a\" and \"b\" are both named \"agent\", and a guest knows them by name; choose another");
  config.ports[1].name = "log";
  config.console_output = 1;
  EXPECT_EQ(refusal(config),
            "port \"console\" for socket \"c\" has the name of the console's own port; choose another");
}

TEST(CheckDevices, NamesOfPortsHaveALimit) {
  MachineConfig config;
  config.ports = {{.name = std::string(64, 'n'), .socket = "a"}};
  EXPECT_EQ(refusal(config), "(it was accepted)");
  config.ports[0].name += 'n';
  EXPECT_EQ(refusal(config),
            fmt::format("port \"{}\": a name has at most 64 bytes, and this has 65", config.ports[0].name));
}

TEST(CheckDevices, PortsHaveALimitThatTheConsoleCountsTowards) {
  MachineConfig config;
  for (int i = 0; i < 31; ++i) config.ports.push_back({.name = fmt::format("port{}", i), .socket = "a"});
  EXPECT_EQ(refusal(config), "(it was accepted)");
  config.console_output = 1;
  EXPECT_EQ(refusal(config), "31 ports asked for; a machine has up to 31, and the console is one of them");
  config.console_output.reset();
  config.ports.push_back({.name = "last", .socket = "a"});
  EXPECT_EQ(refusal(config), "32 ports asked for; a machine has up to 31, and the console is one of them");
}

TEST(CheckDevices, NetworksShareNeitherATapNorAnAddress) {
  const MacAddress mac{{0x52, 0x54, 0, 0, 0, 1}};
  MachineConfig config;
  config.networks.resize(3);
  EXPECT_EQ(refusal(config), "(it was accepted)") << "user-mode networks with random addresses";
  config.networks[0].tap = "tap0";
  config.networks[2].tap = "tap1";
  config.networks[1].mac = mac;
  EXPECT_EQ(refusal(config), "(it was accepted)");
  config.networks[2].mac = mac;
  EXPECT_EQ(
      refusal(config),
      "networks net1 and net2 are both to have the MAC address 52:54:00:00:00:01; give each its own, or none for a "
      "random one");
  config.networks[2].tap = "tap0";
  EXPECT_EQ(refusal(config),
            "networks net0 and net2 are both to have tap tap0, which serves one at a time; give each a tap of its own");
}

}  // namespace
}  // namespace keel
