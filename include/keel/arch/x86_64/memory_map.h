// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <vector>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/base/range.h"

// Where everything is in a Keel PC. Low memory and the top of the 32-bit space are where the PC has always had them;
// the rest is Keel's choice, and this file is the only place that makes it.
namespace keel::x86_64 {

inline constexpr std::uint64_t kMiB = 0x10'0000;
inline constexpr std::uint64_t kGiB = 0x4000'0000;

// RAM that does not fit below the hole continues above it.
inline constexpr GuestRange kLowRam = GuestRange::constant(0x0, 0xbfff'ffff);
inline constexpr GuestAddress kHighRamStart{0x1'0000'0000};

// The hole. Devices get [kMmioWindow32]; the rest is taken:
// IOAPIC 82093AA datasheet 3.0; local APIC Intel SDM 3A 11.4.1 (IA32_APIC_BASE at reset).
inline constexpr MmioRange kMmioWindow32 = MmioRange::constant(0xc000'0000, 0xfebf'ffff);
inline constexpr MmioRange kIoApic = MmioRange::constant(0xfec0'0000, 0xfec0'0fff);
inline constexpr MmioRange kLocalApic = MmioRange::constant(0xfee0'0000, 0xfee0'0fff);
// Pages that KVM on Intel wants for guests in real mode (KVM_SET_IDENTITY_MAP_ADDR: 1 page, KVM_SET_TSS_ADDR: 3), and
// above them the place of a boot ROM.
inline constexpr GuestAddress kKvmIdentityMap{0xfffb'c000};
inline constexpr GuestAddress kKvmTss{0xfffb'd000};
inline constexpr GuestRange kFirmwareArea = GuestRange::constant(0xfffb'c000, 0xffff'ffff);

// The first MiB: what the loader leaves in RAM that the guest may reuse, then what the PC keeps for ROM and firmware.
inline constexpr GuestAddress kBootGdt{0x500};
inline constexpr GuestAddress kBootParams{0x7000};
inline constexpr GuestAddress kBootStackTop{0x8ff0};
inline constexpr GuestRange kBootPageTables = GuestRange::constant(0x9000, 0xefff);
inline constexpr GuestRange kCommandLine = GuestRange::constant(0x2'0000, 0x2'ffff);
inline constexpr GuestRange kLegacyArea = GuestRange::constant(0x9'fc00, 0xf'ffff);
// Within the legacy area, where an operating system looks for the RSDP (ACPI 6.4, 5.2.5.1).
inline constexpr GuestRange kAcpiTables = GuestRange::constant(0xe'0000, 0xf'ffff);
inline constexpr GuestAddress kExtendedMemory{0x10'0000};

// Ports of the PC/AT, and their interrupts, which on a PC are GSIs of the same number.
inline constexpr PioRange kKeyboardDataPort = PioRange::constant(0x60, 0x60);
inline constexpr PioRange kKeyboardCommandPort = PioRange::constant(0x64, 0x64);
inline constexpr PioRange kRtcPorts = PioRange::constant(0x70, 0x71);
inline constexpr PioRange kCom1Ports = PioRange::constant(0x3f8, 0x3ff);
inline constexpr Gsi kKeyboardGsi{1};
inline constexpr Gsi kCom1Gsi{4};
inline constexpr Gsi kRtcGsi{8};
inline constexpr Gsi kAcpiGsi{9};
// ACPI's fixed registers, Keel's choice.
inline constexpr PioRange kPm1EventPorts = PioRange::constant(0x600, 0x603);
inline constexpr PioRange kPm1ControlPorts = PioRange::constant(0x604, 0x605);
inline constexpr PioRange kPmTimerPorts = PioRange::constant(0x608, 0x60b);

// Below this there is no RAM above the first MiB for anything to run in.
inline constexpr std::uint64_t kMinMemory = 2 * kMiB;
// The least that any processor with hardware virtualisation has: for a caller that does not know the host's
// (CPUID 0x8000'0008 EAX[7:0]).
inline constexpr unsigned kLeastPhysicalAddressBits = 39;
// What devices can count on above RAM.
inline constexpr std::uint64_t kMinMmioWindow64 = 16 * kGiB;

// The most RAM that leaves room for the hole and kMinMmioWindow64 in a physical address space of 2^bits bytes.
// 36 <= bits <= 52.
[[nodiscard]] std::uint64_t max_memory(unsigned physical_address_bits) noexcept;

// Whether a machine may have this many bytes of RAM. Error kInvalidArgument, which says what would do: less than
// kMinMemory, more than max_memory(), or not whole 4 KiB pages.
[[nodiscard]] Result<void> check_memory_size(std::uint64_t memory_size,
                                             unsigned physical_address_bits = kLeastPhysicalAddressBits);

// RAM around the hole: one range or two. Precondition: check_memory_size() has no objection.
[[nodiscard]] std::vector<GuestRange> ram_ranges(std::uint64_t memory_size);

// The addresses above RAM and above 4 GiB for devices, from a multiple of 1 GiB to the top of the physical address
// space. Precondition as above, for the same number of bits.
[[nodiscard]] MmioRange mmio_window64(std::uint64_t memory_size,
                                      unsigned physical_address_bits = kLeastPhysicalAddressBits);

}  // namespace keel::x86_64
