// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/machine_config.h"

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

}  // namespace
}  // namespace keel
