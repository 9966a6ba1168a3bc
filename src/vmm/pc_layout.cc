// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/vmm/pc_layout.h"

#include <memory>
#include <string>
#include <utility>

#include "keel/arch/x86_64/memory_map.h"
#include "keel/base/try.h"
#include "keel/device/plain_device.h"

namespace keel {
namespace {

// The least that KVM_CAP_NR_MEMSLOTS has been since Linux 3.9.
constexpr std::uint32_t kMemorySlots = 509;

// A range of the 32-bit hole above the window that devices get.
MmioConstraint hole(std::uint64_t first, std::uint64_t last) {
  return MmioConstraint::exactly(*MmioRange::from_bounds(MmioAddress(first), MmioAddress(last)));
}

struct Reservation {
  std::string name;
  std::string type;
  ResourceConstraints constraints;
};

Result<void> reserve(DeviceManager& devices, Reservation reservation) {
  const std::string name = reservation.name;
  auto place = std::make_shared<PlainDevice>(PlainDevice::Parts{.type = std::move(reservation.type),
                                                                .role = DeviceRole::kReservation,
                                                                .constraints = std::move(reservation.constraints)});
  KEEL_TRY(DeviceHandle handle, devices.attach(std::move(place), {.name = name}));
  handle.keep();
  return {};
}

}  // namespace

SystemConfig pc_spaces(std::uint64_t memory_size) {
  return {
      .pio = PioRange::all(),
      // The whole hole; reserve_pc() leaves devices x86_64::kMmioWindow32.
      .mmio_low = MmioRange::constant(x86_64::kMmioWindow32.first().value(), 0xffff'ffff),
      .mmio_high = x86_64::mmio_window64(memory_size),
      .guest_memory = std::nullopt,
      .legacy_irqs = IdRange<Gsi>::constant(0, 23),
      .msi = IdRange<Gsi>::constant(24, kPcGsis - 1),
      .memory_slots = IdRange<MemorySlot>::constant(0, kMemorySlots - 1),
  };
}

Result<void> reserve_pc(DeviceManager& devices, std::size_t ram_regions) {
  using x86_64::kIoApic;
  using x86_64::kLocalApic;
  const auto at = [](MmioRange range) { return MmioConstraint::exactly(range); };
  const auto ports = [](PioRange range) { return PioConstraint::exactly(range); };
  const Reservation reservations[] = {
      {"ram", "ram", {MemorySlotConstraint{static_cast<std::uint32_t>(ram_regions), MemorySlot(0)}}},
      // Both 8259As with their edge/level registers; pin 2 is where the second one hangs.
      {"pic",
       "kvm-pic",
       {ports(PioRange::constant(0x20, 0x21)), ports(PioRange::constant(0xa0, 0xa1)),
        ports(PioRange::constant(0x4d0, 0x4d1)), LegacyIrqConstraint{Gsi(2)}}},
      {"pit",
       "kvm-pit",
       {ports(PioRange::constant(0x40, 0x43)), ports(PioRange::single(PioAddress(0x61))), LegacyIrqConstraint{Gsi(0)}}},
      // Drivers of the clock claim its interrupt, which CmosRtc leaves out.
      {"rtc-irq", "empty", {LegacyIrqConstraint{x86_64::kRtcGsi}}},
      {"ioapic", "kvm-ioapic", {at(kIoApic)}},
      {"local-apic", "kvm-lapic", {at(kLocalApic)}},
      // Writes of devices to the page of the local APIC and the pages after it are interrupts (Intel SDM 3A, 11.11.1);
      // the rest is the chipset's by custom.
      {"chipset", "empty", {hole(0xfec0'1000, 0xfedf'ffff), hole(0xfee0'1000, 0xfffb'bfff)}},
      {"firmware", "empty", {hole(x86_64::kFirmwareArea.first().value(), x86_64::kFirmwareArea.last().value())}},
  };
  for (const Reservation& reservation : reservations) KEEL_TRY_VOID(reserve(devices, reservation));
  return {};
}

}  // namespace keel
