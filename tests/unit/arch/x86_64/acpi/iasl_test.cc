// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "keel/arch/x86_64/acpi/acpi_tables.h"
#include "keel/arch/x86_64/acpi/table.h"

// ACPICA's compiler as the judge of the tables: what it disassembles and compiles again has to be what it was given.
namespace keel::x86_64 {
namespace {

using Bytes = std::vector<std::uint8_t>;

class Iasl : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "keel-iasl-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The table after a trip through ACPI's source language. A warning is a failure too.
  Bytes round_trip(const Bytes& table) {
    std::ofstream(folder_ / "table.aml", std::ios::binary)
        .write(reinterpret_cast<const char*>(table.data()), static_cast<std::streamsize>(table.size()));
    EXPECT_EQ(run("-d table.aml"), 0) << output();
    EXPECT_EQ(run("-we -p again table.dsl"), 0) << output();
    std::ifstream again(folder_ / "again.aml", std::ios::binary);
    return {std::istreambuf_iterator<char>(again), {}};
  }

  std::string source() { return read("table.dsl"); }

 private:
  int run(const std::string& arguments) {
    const std::string command =
        "cd '" + folder_.string() + "' && '" KEEL_IASL "' " + arguments + " > output 2>&1 < /dev/null";
    return WEXITSTATUS(std::system(command.c_str()));
  }
  std::string output() { return read("output"); }
  std::string read(const char* file) {
    std::ifstream stream(folder_ / file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  std::filesystem::path folder_;
};

// The compiler signs what it makes: checksum and creator differ.
Bytes unsigned_table(Bytes table) {
  if (table.size() < AcpiTable::kHeaderSize) return {};
  table[9] = 0;
  std::fill(table.begin() + 28, table.begin() + 36, std::uint8_t{0});
  return table;
}

AcpiConfig full_config() {
  AcpiConfig config = {.cpu_count = 300, .devices = {acpi_com1(), acpi_rtc(), acpi_keyboard()}};
  config.devices.push_back({.name = "VR00",
                            .hid = "LNRO0005",
                            .uid = 0,
                            .resources = {AcpiMemory{MmioRange::constant(0xd000'0000, 0xd000'0fff)},
                                          AcpiInterrupt{.gsi = Gsi(5), .trigger = InterruptTrigger::kEdge}}});
  config.devices.push_back({.name = "VR01",
                            .hid = "LNRO0005",
                            .uid = 1,
                            .resources = {AcpiMemory{MmioRange::constant(0x1'0000'0000, 0x1'0000'0fff)},
                                          AcpiInterrupt{.gsi = Gsi(17),
                                                        .trigger = InterruptTrigger::kLevel,
                                                        .polarity = InterruptPolarity::kActiveLow,
                                                        .sharing = InterruptSharing::kShared}}});
  return config;
}

TEST_F(Iasl, TheDsdtSurvivesATripThroughTheSourceLanguage) {
  const Bytes dsdt = make_dsdt(full_config());
  EXPECT_EQ(unsigned_table(round_trip(dsdt)), unsigned_table(dsdt));
  for (const std::string_view text :
       {"Name (_S5, Package (0x04)", "EisaId (\"PNP0501\")", "EisaId (\"PNP0B00\")", "EisaId (\"PNP0303\")",
        "\"LNRO0005\"", "Memory32Fixed (ReadWrite,", "0xD0000000,", "QWordMemory (ResourceConsumer,",
        "Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive, ,, )",
        "Interrupt (ResourceConsumer, Level, ActiveLow, Shared, ,, )", "IO (Decode16,"}) {
    EXPECT_NE(source().find(text), std::string::npos) << text << " in\n" << source();
  }
}

TEST_F(Iasl, AnEmptyDsdtToo) {
  const Bytes dsdt = make_dsdt({});
  EXPECT_EQ(unsigned_table(round_trip(dsdt)), unsigned_table(dsdt));
}

TEST_F(Iasl, ADsdtOfManyDevicesToo) {
  AcpiConfig config;
  for (unsigned i = 0; i < 200; ++i)
    config.devices.push_back({.name = fmt::format("V{:03X}", i), .hid = "LNRO0005", .uid = i, .resources = {}});
  const Bytes dsdt = make_dsdt(config);
  EXPECT_EQ(unsigned_table(round_trip(dsdt)), unsigned_table(dsdt));
}

TEST_F(Iasl, TheFadtToo) {
  const Bytes fadt = make_fadt(full_config(), GuestAddress(0xe'0040), GuestAddress(0xe'0080));
  EXPECT_EQ(unsigned_table(round_trip(fadt)), unsigned_table(fadt));
  AcpiConfig config = full_config();
  config.fixed_hardware.pm_timer.reset();
  const Bytes without_timer = make_fadt(config, GuestAddress(0xe'0040), GuestAddress(0xe'0080));
  EXPECT_EQ(unsigned_table(round_trip(without_timer)), unsigned_table(without_timer));
}

TEST_F(Iasl, TheMadtToo) {
  const Bytes madt = make_madt(full_config());
  EXPECT_EQ(unsigned_table(round_trip(madt)), unsigned_table(madt));
}

}  // namespace
}  // namespace keel::x86_64
