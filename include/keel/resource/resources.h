// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keel/base/address.h"
#include "keel/base/range.h"
#include "keel/resource/id_range.h"
#include "keel/resource/mac_address.h"

namespace keel {

// What a device was given: the assigned counterpart of each constraint.

// A slot of the hypervisor's memory map (KVM_SET_USER_MEMORY_REGION).
using MemorySlot = Number<struct MemorySlotTag, std::uint32_t>;

struct PioResource {
  PioRange range;
  friend bool operator==(const PioResource&, const PioResource&) = default;
};
// Accesses exit to the device.
struct MmioResource {
  MmioRange range;
  friend bool operator==(const MmioResource&, const MmioResource&) = default;
};
// Host memory is mapped there through `slot`; accesses never exit.
struct BackedMmioResource {
  MmioRange range;
  MemorySlot slot;
  friend bool operator==(const BackedMmioResource&, const BackedMmioResource&) = default;
};
struct GuestMemoryResource {
  GuestRange range;
  friend bool operator==(const GuestMemoryResource&, const GuestMemoryResource&) = default;
};
struct LegacyIrqResource {
  Gsi gsi;
  friend bool operator==(const LegacyIrqResource&, const LegacyIrqResource&) = default;
};

enum class MsiKind : std::uint8_t { kPciMsi, kPciMsix, kGeneric };
[[nodiscard]] std::string_view to_string(MsiKind kind) noexcept;

// Vector i of the device is GSI gsis.at(i).
struct MsiResource {
  MsiKind kind;
  IdRange<Gsi> gsis;
  friend bool operator==(const MsiResource&, const MsiResource&) = default;
};
struct MemorySlotResource {
  IdRange<MemorySlot> slots;
  friend bool operator==(const MemorySlotResource&, const MemorySlotResource&) = default;
};
// Comes from the VMM's configuration, not from an allocator.
struct MacAddressResource {
  MacAddress mac;
  friend bool operator==(const MacAddressResource&, const MacAddressResource&) = default;
};

using Resource = std::variant<PioResource, MmioResource, BackedMmioResource, GuestMemoryResource, LegacyIrqResource,
                              MsiResource, MemorySlotResource, MacAddressResource>;

// "mmio [0xd0000000, 0xd0000fff]", "irq 5", "pci-msix gsis [24, 25]", "mac 52:54:00:12:34:56".
[[nodiscard]] std::string to_string(const Resource& resource);

// Everything one device was given, in the order of its constraints. A value: copy it, compare it.
class DeviceResources {
 public:
  DeviceResources() = default;
  explicit DeviceResources(std::vector<Resource> resources) : all_(std::move(resources)) {}

  void add(const Resource& resource) { all_.push_back(resource); }
  // Takes out the first equal one; false where there is none.
  bool remove(const Resource& resource);
  // Puts `now` where `old` was; false where there is none.
  bool replace(const Resource& old, const Resource& now);
  [[nodiscard]] bool contains(const Resource& resource) const;

  [[nodiscard]] const std::vector<Resource>& all() const noexcept { return all_; }
  [[nodiscard]] std::vector<PioRange> pio() const;
  [[nodiscard]] std::vector<MmioRange> mmio() const;  // trapped ranges only
  [[nodiscard]] std::vector<BackedMmioResource> backed_mmio() const;
  [[nodiscard]] std::vector<GuestRange> guest_memory() const;
  [[nodiscard]] std::vector<Gsi> legacy_irqs() const;
  [[nodiscard]] std::optional<Gsi> legacy_irq() const;  // the first
  [[nodiscard]] std::vector<IdRange<Gsi>> msi(MsiKind kind) const;
  [[nodiscard]] std::vector<IdRange<MemorySlot>> memory_slots() const;
  [[nodiscard]] std::optional<MacAddress> mac() const;  // the first

  friend bool operator==(const DeviceResources&, const DeviceResources&) = default;

 private:
  std::vector<Resource> all_;
};

// Its resources with commas between.
[[nodiscard]] std::string to_string(const DeviceResources& resources);

}  // namespace keel
