// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/acpi/acpi_tables.h"

#include <algorithm>
#include <array>

#include "keel/arch/x86_64/acpi/aml.h"
#include "keel/arch/x86_64/acpi/table.h"
#include "keel/base/little_endian.h"
#include "keel/base/try.h"

namespace keel::x86_64 {
namespace {

constexpr std::size_t kRsdpSize = 36;
constexpr std::size_t kFacsSize = 64;
constexpr std::uint64_t kFacsAlignment = 64;
constexpr std::uint64_t kTableAlignment = 16;
constexpr std::uint8_t kMaxSleepType = 7;
constexpr std::uint32_t kMaxProcessors = 4096;  // as many as KVM can be built for

// Hands out the tables' place from its start, and writes as it does.
class Placer {
 public:
  explicit Placer(const GuestMemory& memory) : memory_(memory) {}

  Result<GuestAddress> place(std::span<const std::uint8_t> table, std::uint64_t alignment = kTableAlignment) {
    const std::uint64_t start = (next_ + alignment - 1) / alignment * alignment;
    const std::uint64_t end = kAcpiTables.last().value() + 1;
    if (start > end || table.size() > end - start) {
      return fail(ErrorCode::kExhausted,
                  "the ACPI tables outgrow {}: {:#x} bytes more at {:#x}; fewer processors or devices would do",
                  kAcpiTables, table.size(), start);
    }
    KEEL_TRY_VOID(memory_.write(GuestAddress(start), table));
    next_ = start + table.size();
    return GuestAddress(start);
  }

 private:
  const GuestMemory& memory_;
  std::uint64_t next_ = kAcpiTables.first().value();
};

// ACPI 6.4, 5.2.10: the one table that the guest writes to.
std::array<std::uint8_t, kFacsSize> make_facs() {
  constexpr std::uint8_t kVersion = 2;
  std::array<std::uint8_t, kFacsSize> facs = {'F', 'A', 'C', 'S', kFacsSize};
  facs[32] = kVersion;
  return facs;
}

std::vector<std::uint8_t> make_xsdt(std::initializer_list<GuestAddress> tables) {
  constexpr std::uint8_t kRevision = 1;
  AcpiTable xsdt("XSDT", kRevision);
  for (const GuestAddress table : tables) xsdt.add(table.value());
  return xsdt.finish();
}

// 5.2.5.3. Its first 20 bytes are ACPI 1.0's and have a sum of their own.
std::array<std::uint8_t, kRsdpSize> make_rsdp(GuestAddress xsdt) {
  constexpr std::uint8_t kRevision = 2;
  std::array<std::uint8_t, kRsdpSize> rsdp = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '};
  std::ranges::copy(std::string_view("KEEL  "), rsdp.begin() + 9);
  rsdp[15] = kRevision;
  store_le_at(rsdp, 20, std::uint32_t{kRsdpSize});
  store_le_at(rsdp, 24, xsdt.value());
  rsdp[8] = acpi_checksum(std::span(rsdp).first(20));
  rsdp[32] = acpi_checksum(rsdp);
  return rsdp;
}

Result<void> check_devices(std::span<const AcpiDevice> devices) {
  for (auto device = devices.begin(); device != devices.end(); ++device) {
    KEEL_TRY_VOID(check_acpi_device(*device));
    for (auto other = devices.begin(); other != device; ++other) {
      if (other->name == device->name)
        return fail(ErrorCode::kInvalidArgument, "two ACPI devices are called \"{}\"", device->name);
      if (other->hid == device->hid && other->uid == device->uid) {
        return fail(ErrorCode::kInvalidArgument, "ACPI devices \"{}\" and \"{}\" are both {} number {}", other->name,
                    device->name, device->hid, device->uid);
      }
    }
  }
  return {};
}

Result<void> check_config(const AcpiConfig& config) {
  if (config.cpu_count == 0 || config.cpu_count > kMaxProcessors) {
    return fail(ErrorCode::kInvalidArgument, "{} processors; a machine has 1 to {}", config.cpu_count, kMaxProcessors);
  }
  if (config.fixed_hardware.s5_sleep_type > kMaxSleepType) {
    return fail(ErrorCode::kInvalidArgument, "sleep type {} for S5 has more than 3 bits",
                config.fixed_hardware.s5_sleep_type);
  }
  return check_devices(config.devices);
}

}  // namespace

std::vector<std::uint8_t> make_dsdt(const AcpiConfig& config) {
  const aml::Bytes off = aml::integer(config.fixed_hardware.s5_sleep_type);
  const aml::Bytes reserved = aml::integer(0);
  aml::Bytes terms = aml::name("_S5_", aml::package({off, off, reserved, reserved}));
  aml::Bytes devices;
  for (const AcpiDevice& device : config.devices) aml::append(devices, encode_acpi_device(device));
  if (!devices.empty()) aml::append(terms, aml::scope("_SB_", devices));

  constexpr std::uint8_t kIntegersOf64Bits = 2;
  return AcpiTable("DSDT", kIntegersOf64Bits).add_bytes(terms).finish();
}

Result<GuestAddress> write_acpi_tables(const GuestMemory& memory, const AcpiConfig& config) {
  KEEL_TRY_VOID(check_config(config));
  Placer placer(memory);
  // The RSDP comes first and knows the rest only at the end: its place is taken now and filled again.
  KEEL_TRY(const GuestAddress rsdp, placer.place(make_rsdp(GuestAddress(0))));
  KEEL_TRY(const GuestAddress facs, placer.place(make_facs(), kFacsAlignment));
  KEEL_TRY(const GuestAddress dsdt, placer.place(make_dsdt(config)));
  KEEL_TRY(const GuestAddress fadt, placer.place(make_fadt(config, facs, dsdt)));
  KEEL_TRY(const GuestAddress madt, placer.place(make_madt(config)));
  KEEL_TRY(const GuestAddress xsdt, placer.place(make_xsdt({fadt, madt})));
  KEEL_TRY_VOID(memory.write(rsdp, make_rsdp(xsdt)));
  return rsdp;
}

}  // namespace keel::x86_64
