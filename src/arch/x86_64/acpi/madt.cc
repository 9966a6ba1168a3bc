// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/acpi/acpi_tables.h"
#include "keel/arch/x86_64/acpi/table.h"

// Multiple APIC Description Table, ACPI 6.4, 5.2.12.
namespace keel::x86_64 {
namespace {

constexpr std::uint8_t kRevision = 5;
constexpr std::uint32_t kPcatCompat = 1;  // two 8259s as well

// Types of interrupt controller structures, table 5.21, with their lengths.
struct Kind {
  std::uint8_t type;
  std::uint8_t length;
};
constexpr Kind kProcessorLocalApic = {0, 8};
constexpr Kind kIoApicStructure = {1, 12};
constexpr Kind kInterruptSourceOverride = {2, 10};
constexpr Kind kLocalApicNmi = {4, 6};
constexpr Kind kProcessorLocalX2apic = {9, 16};
constexpr Kind kLocalX2apicNmi = {10, 12};

// Ids from here on do not fit a local APIC's structure, where 255 means all of them.
constexpr std::uint32_t kFirstX2apicId = 255;
constexpr std::uint32_t kEnabled = 1;
constexpr std::uint8_t kLint1 = 1;

// MPS INTI flags, table 5.26.
constexpr std::uint16_t kAsTheBus = 0;
constexpr std::uint16_t kActiveHighLevel = 1u << 0 | 3u << 2;

AcpiTable& begin(AcpiTable& table, Kind kind) {
  return table.add(kind.type).add(kind.length);
}

void add_processor(AcpiTable& table, std::uint32_t id) {
  if (id < kFirstX2apicId) {
    const auto short_id = static_cast<std::uint8_t>(id);
    begin(table, kProcessorLocalApic).add(short_id).add(short_id).add(kEnabled);
  } else {
    begin(table, kProcessorLocalX2apic).add_zeros(2).add(id).add(kEnabled).add(id);
  }
}

void add_override(AcpiTable& table, std::uint8_t isa_interrupt, Gsi gsi, std::uint16_t flags) {
  constexpr std::uint8_t kIsaBus = 0;
  begin(table, kInterruptSourceOverride).add(kIsaBus).add(isa_interrupt).add(gsi.value()).add(flags);
}

}  // namespace

std::vector<std::uint8_t> make_madt(const AcpiConfig& config) {
  AcpiTable table("APIC", kRevision);
  table.add(static_cast<std::uint32_t>(kLocalApic.first().value())).add(kPcatCompat);
  for (std::uint32_t id = 0; id < config.cpu_count; ++id) add_processor(table, id);

  constexpr std::uint8_t kIoApicId = 0;
  const auto io_apic = static_cast<std::uint32_t>(kIoApic.first().value());
  begin(table, kIoApicStructure).add(kIoApicId).add_zeros(1).add(io_apic).add(Gsi(0).value());
  add_override(table, static_cast<std::uint8_t>(kAcpiGsi.value()), kAcpiGsi, kActiveHighLevel);

  constexpr std::uint8_t kEveryProcessor = 0xff;
  begin(table, kLocalApicNmi).add(kEveryProcessor).add(kAsTheBus).add(kLint1);
  if (config.cpu_count > kFirstX2apicId) {
    constexpr std::uint32_t kEveryX2apic = 0xffff'ffff;
    begin(table, kLocalX2apicNmi).add(kAsTheBus).add(kEveryX2apic).add(kLint1).add_zeros(3);
  }
  return table.finish();
}

}  // namespace keel::x86_64
