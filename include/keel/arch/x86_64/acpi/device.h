// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/base/range.h"

namespace keel::x86_64 {

enum class InterruptTrigger : std::uint8_t { kLevel, kEdge };
enum class InterruptPolarity : std::uint8_t { kActiveHigh, kActiveLow };
enum class InterruptSharing : std::uint8_t { kExclusive, kShared };

// What a device occupies, as its _CRS tells the guest (ACPI 6.4, 6.4 "Resource Data Types for ACPI").
struct AcpiPorts {
  PioRange ports;  // at most 255
};
struct AcpiMemory {
  MmioRange range;  // told as Memory32Fixed where it fits, else as QWordMemory
};
struct AcpiInterrupt {
  Gsi gsi;
  InterruptTrigger trigger;
  InterruptPolarity polarity = InterruptPolarity::kActiveHigh;
  InterruptSharing sharing = InterruptSharing::kExclusive;
};
using AcpiResource = std::variant<AcpiPorts, AcpiMemory, AcpiInterrupt>;

// A device node under \_SB that a driver finds by its hardware id.
struct AcpiDevice {
  std::string name;                     // a NameSeg: four of A-Z, 0-9 and _, no digit first; like "COM1"
  std::string hid;                      // a PNP or ACPI id; like "PNP0501" or "LNRO0005"
  std::uint32_t uid = 0;                // tells devices of one hid apart
  std::vector<AcpiResource> resources;  // in the order in which the driver counts them
};

// Whether the node can be written. Error kInvalidArgument, which names the device and its wrong part.
[[nodiscard]] Result<void> check_acpi_device(const AcpiDevice& device);

// The node in AML. Precondition: check_acpi_device() has no objection.
[[nodiscard]] std::vector<std::uint8_t> encode_acpi_device(const AcpiDevice& device);

// The devices of a PC where memory_map.h puts them.
[[nodiscard]] AcpiDevice acpi_com1();
// Without an interrupt: CmosRtc raises none.
[[nodiscard]] AcpiDevice acpi_rtc();
// A keyboard port without an auxiliary one, so that Linux neither looks for a mouse nor for where the ports are.
[[nodiscard]] AcpiDevice acpi_keyboard();
// Virtio over MMIO, as distributions' kernels look for it (LNRO0005, with an edge). `index` tells such devices apart:
// below 256.
[[nodiscard]] AcpiDevice acpi_virtio_mmio(unsigned index, MmioRange window, Gsi gsi);

}  // namespace keel::x86_64
