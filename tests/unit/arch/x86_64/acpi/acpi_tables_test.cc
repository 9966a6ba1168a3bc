// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/acpi/acpi_tables.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include <gtest/gtest.h>

#include "keel/base/little_endian.h"

namespace keel::x86_64 {
namespace {

using Bytes = std::vector<std::uint8_t>;

AcpiConfig pc(std::uint32_t cpu_count = 1) {
  return {.cpu_count = cpu_count, .devices = {acpi_com1(), acpi_rtc(), acpi_keyboard()}};
}

GuestMemory small_memory() {
  return GuestMemory::create(ram_ranges(kMinMemory)).value();
}

Bytes bytes_at(const GuestMemory& memory, std::uint64_t address, std::uint64_t size) {
  const auto bytes = memory.slice(GuestAddress(address), size).value();
  return {bytes.begin(), bytes.end()};
}

unsigned sum(std::span<const std::uint8_t> bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), 0u) & 0xff;
}

std::string signature(std::span<const std::uint8_t> table) {
  return {table.begin(), table.begin() + 4};
}

// The table at an address, as long as it says it is. Tables other than the FACS have a checksum.
Bytes table_at(const GuestMemory& memory, std::uint64_t address) {
  const Bytes header = bytes_at(memory, address, 8);
  Bytes table = bytes_at(memory, address, load_le_at<std::uint32_t>(header, 4));
  if (signature(table) != "FACS") {
    EXPECT_EQ(sum(table), 0u) << signature(table);
  }
  EXPECT_TRUE(kAcpiTables.contains(GuestAddress(address + table.size() - 1))) << signature(table);
  return table;
}

// Finds the tables as an operating system that was told nothing does (5.2.5.1): by the RSDP's text, at multiples of 16.
std::map<std::string, Bytes> find_tables(const GuestMemory& memory) {
  std::map<std::string, Bytes> tables;
  for (std::uint64_t at = 0xe'0000; at < 0x10'0000; at += 16) {
    const Bytes rsdp = bytes_at(memory, at, 36);
    if (!std::ranges::equal(std::span(rsdp).first(8), std::string_view("RSD PTR "))) continue;
    EXPECT_EQ(sum(std::span(rsdp).first(20)), 0u);
    EXPECT_EQ(sum(rsdp), 0u);
    EXPECT_EQ(rsdp[15], 2) << "revision";
    const Bytes xsdt = table_at(memory, load_le_at<std::uint64_t>(rsdp, 24));
    EXPECT_EQ(signature(xsdt), "XSDT");
    for (std::size_t entry = 36; entry < xsdt.size(); entry += 8) {
      const Bytes table = table_at(memory, load_le_at<std::uint64_t>(xsdt, entry));
      tables.emplace(signature(table), table);
    }
  }
  return tables;
}

TEST(AcpiTables, AreFoundFromTheRsdp) {
  const auto memory = small_memory();
  EXPECT_EQ(write_acpi_tables(memory, pc()), GuestAddress(0xe'0000));
  const auto tables = find_tables(memory);
  ASSERT_EQ(tables.size(), 2u);
  const Bytes& fadt = tables.at("FACP");
  ASSERT_TRUE(tables.contains("APIC"));

  const auto facs_address = load_le_at<std::uint32_t>(fadt, 36);
  EXPECT_EQ(facs_address % 64, 0u);
  EXPECT_EQ(table_at(memory, facs_address).size(), 64u);
  EXPECT_EQ(signature(table_at(memory, facs_address)), "FACS");
  const auto dsdt_address = load_le_at<std::uint32_t>(fadt, 40);
  EXPECT_EQ(load_le_at<std::uint64_t>(fadt, 140), dsdt_address) << "X_DSDT";
  EXPECT_EQ(table_at(memory, dsdt_address), make_dsdt(pc()));
}

TEST(Fadt, DescribesTheFixedHardware) {
  AcpiConfig config = pc();
  config.fixed_hardware = {.pm1_event = PioAddress(0x1600),
                           .pm1_control = PioAddress(0x1604),
                           .pm_timer = PioAddress(0x1608),
                           .s5_sleep_type = 5};
  const Bytes fadt = make_fadt(config, GuestAddress(0xe'0040), GuestAddress(0xe'0080));
  ASSERT_EQ(fadt.size(), 276u);
  EXPECT_EQ(fadt[8], 6) << "major version";
  EXPECT_EQ(load_le_at<std::uint16_t>(fadt, 46), 9) << "SCI_INT";
  EXPECT_EQ(load_le_at<std::uint32_t>(fadt, 48), 0u) << "SMI_CMD: in ACPI mode from the start";
  EXPECT_EQ(load_le_at<std::uint32_t>(fadt, 56), 0x1600u) << "PM1a_EVT_BLK";
  EXPECT_EQ(load_le_at<std::uint32_t>(fadt, 64), 0x1604u) << "PM1a_CNT_BLK";
  EXPECT_EQ(load_le_at<std::uint32_t>(fadt, 76), 0x1608u) << "PM_TMR_BLK";
  EXPECT_EQ(fadt[88], 4) << "PM1_EVT_LEN";
  EXPECT_EQ(fadt[89], 2) << "PM1_CNT_LEN";
  EXPECT_EQ(fadt[91], 4) << "PM_TMR_LEN";
  EXPECT_EQ(fadt[108], 0x32) << "CENTURY";
  EXPECT_EQ(load_le_at<std::uint64_t>(fadt, 148 + 4), 0x1600u) << "X_PM1a_EVT_BLK";
  EXPECT_EQ(load_le_at<std::uint64_t>(fadt, 172 + 4), 0x1604u) << "X_PM1a_CNT_BLK";
  EXPECT_EQ(load_le_at<std::uint64_t>(fadt, 208 + 4), 0x1608u) << "X_PM_TMR_BLK";
  EXPECT_EQ(load_le_at<std::uint32_t>(fadt, 112) & (1u << 20), 0u) << "not hardware-reduced";
}

TEST(Fadt, ResetsThroughTheKeyboardControllersPort) {
  for (const auto controller : {KeyboardController::kPresent, KeyboardController::kAbsent}) {
    AcpiConfig config = pc();
    config.keyboard_controller = controller;
    const Bytes fadt = make_fadt(config, GuestAddress(0), GuestAddress(0));
    EXPECT_EQ(Bytes(fadt.begin() + 116, fadt.begin() + 129), (Bytes{1, 8, 0, 1, 0x64, 0, 0, 0, 0, 0, 0, 0, 0xfe}));
    EXPECT_NE(load_le_at<std::uint32_t>(fadt, 112) & (1u << 10), 0u) << "RESET_REG_SUP";
    const auto architecture = load_le_at<std::uint16_t>(fadt, 109);
    EXPECT_EQ((architecture & 2) != 0, controller == KeyboardController::kPresent) << "8042";
    EXPECT_EQ(architecture & ~2, 0x05) << "legacy devices, no VGA, and a CMOS RTC";
  }
}

TEST(Fadt, TimerAndPowerButtonAreThereOnlyWhenTheyAre) {
  AcpiConfig config = pc();
  const auto flags = [&] {
    return load_le_at<std::uint32_t>(make_fadt(config, GuestAddress(0), GuestAddress(0)), 112);
  };
  EXPECT_EQ(flags() & (1u << 4), 0u);
  config.power_button = PowerButton::kAbsent;
  EXPECT_NE(flags() & (1u << 4), 0u) << "no fixed power button";

  EXPECT_NE(flags() & (1u << 8), 0u) << "TMR_VAL_EXT: 32 bits";
  config.fixed_hardware.pm_timer.reset();
  EXPECT_EQ(flags() & (1u << 8), 0u);
  const Bytes fadt = make_fadt(config, GuestAddress(0), GuestAddress(0));
  EXPECT_EQ(load_le_at<std::uint32_t>(fadt, 76), 0u);
  EXPECT_EQ(fadt[91], 0);
  EXPECT_EQ(Bytes(fadt.begin() + 208, fadt.begin() + 220), Bytes(12));
}

// The structures of a MADT, by their type.
std::multimap<unsigned, Bytes> structures(const Bytes& madt) {
  std::multimap<unsigned, Bytes> found;
  std::size_t at = 44;
  while (at < madt.size()) {
    const unsigned length = madt[at + 1];
    if (length < 2 || at + length > madt.size()) {
      ADD_FAILURE() << "a structure at " << at << " of length " << length;
      break;
    }
    found.emplace(madt[at], Bytes(&madt[at], &madt[at] + length));
    at += length;
  }
  return found;
}

TEST(Madt, OneProcessor) {
  const Bytes madt = make_madt(pc());
  EXPECT_EQ(load_le_at<std::uint32_t>(madt, 36), 0xfee0'0000u);
  const auto parts = structures(madt);
  EXPECT_EQ(parts.find(0)->second, (Bytes{0, 8, 0, 0, 1, 0, 0, 0}));
  EXPECT_EQ(parts.find(1)->second, (Bytes{1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0})) << "the IOAPIC";
  EXPECT_EQ(parts.find(4)->second, (Bytes{4, 6, 0xff, 0, 0, 1})) << "NMI at LINT1";
  EXPECT_EQ(parts.size(), 4u);
}

TEST(Madt, IsaInterruptsAreOnThePinsOfTheirNumbersAndTheSciIsALevel) {
  const auto parts = structures(make_madt(pc()));
  std::vector<Bytes> overrides;
  const auto [first, last] = parts.equal_range(2);
  for (auto part = first; part != last; ++part) overrides.push_back(part->second);
  EXPECT_EQ(overrides, (std::vector<Bytes>{{2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0}}));
}

TEST(Madt, IdsFrom255OnNeedTheX2apicsStructure) {
  for (const std::uint32_t count : {254u, 255u, 256u, 300u}) {
    const auto parts = structures(make_madt(pc(count)));
    EXPECT_EQ(parts.count(0), std::min(count, 255u));
    EXPECT_EQ(parts.count(9), count - std::min(count, 255u));
    EXPECT_EQ(parts.count(10), count > 255 ? 1u : 0u);
    std::uint32_t id = 0;
    for (auto part = parts.lower_bound(0); part != parts.upper_bound(0); ++part, ++id) EXPECT_EQ(part->second[3], id);
    for (auto part = parts.lower_bound(9); part != parts.upper_bound(9); ++part, ++id)
      EXPECT_EQ(load_le_at<std::uint32_t>(part->second, 4), id);
    EXPECT_EQ(id, count);
  }
}

TEST(Dsdt, SleepTypeAndDevicesComeFromTheConfiguration) {
  AcpiConfig config = {.fixed_hardware = {.s5_sleep_type = 6}};
  const Bytes empty = make_dsdt(config);
  EXPECT_EQ(Bytes(empty.begin() + 36, empty.end()),
            (Bytes{0x08, '_', 'S', '5', '_', 0x12, 8, 4, 0x0a, 6, 0x0a, 6, 0, 0}));
  config.devices = {acpi_rtc()};
  const Bytes node = encode_acpi_device(acpi_rtc());
  const Bytes full = make_dsdt(config);
  EXPECT_TRUE(std::equal(node.rbegin(), node.rend(), full.rbegin()));
}

std::string refusal(const AcpiConfig& config) {
  const auto written = write_acpi_tables(small_memory(), config);
  return written ? "no error" : written.error().message();
}

TEST(AcpiTables, RefuseWhatIsWrongAndNameIt) {
  EXPECT_EQ(refusal(pc(0)), "0 processors; a machine has 1 to 4096");
  EXPECT_EQ(refusal(pc(~0u)), "4294967295 processors; a machine has 1 to 4096");
  EXPECT_EQ(refusal(pc(4096)), "no error");
  EXPECT_EQ(refusal({.fixed_hardware = {.s5_sleep_type = 8}}), "sleep type 8 for S5 has more than 3 bits");
  EXPECT_EQ(refusal({.devices = {acpi_com1(), acpi_com1()}}), "two ACPI devices are called \"COM1\"");
  AcpiDevice twin = acpi_com1();
  twin.name = "COM2";
  EXPECT_EQ(refusal({.devices = {acpi_com1(), twin}}), "ACPI devices \"COM1\" and \"COM2\" are both PNP0501 number 1");
  twin.hid = "nonsense";
  EXPECT_FALSE(write_acpi_tables(small_memory(), {.devices = {twin}}).has_value());
}

TEST(AcpiTables, MoreDevicesThanTheirPlaceHoldsAreAnError) {
  AcpiConfig config = pc(4096);
  for (unsigned i = 0; i < 0x1000; ++i) {
    config.devices.push_back({.name = fmt::format("V{:03X}", i),
                              .hid = "LNRO0005",
                              .uid = i,
                              .resources = {AcpiMemory{MmioRange::constant(0xd000'0000, 0xd000'0fff)}}});
  }
  const auto written = write_acpi_tables(small_memory(), config);
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code(), ErrorCode::kExhausted);
  EXPECT_TRUE(written.error().message().starts_with("the ACPI tables outgrow [0xe0000, 0xfffff]: "));
}

TEST(AcpiTables, MemoryWithoutTheirPlaceIsAnError) {
  const std::array low = {GuestRange::constant(0, 0x9'ffff)};
  const auto written = write_acpi_tables(GuestMemory::create(low).value(), pc());
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code(), ErrorCode::kOutOfBounds);
}

}  // namespace
}  // namespace keel::x86_64
