// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "keel/base/address.h"
#include "keel/base/range.h"
#include "keel/resource/address_allocator.h"
#include "keel/resource/id_allocator.h"
#include "keel/resource/resources.h"

namespace keel {

// The spaces a machine has to give. What is absent the machine lacks (aarch64 has no PIO).
struct SystemConfig {
  std::optional<PioRange> pio = std::nullopt;
  std::optional<MmioRange> mmio_low = std::nullopt;        // all of it below 4 GiB
  std::optional<MmioRange> mmio_high = std::nullopt;       // all of it from 4 GiB on
  std::optional<GuestRange> guest_memory = std::nullopt;   // shares the bus with MMIO: must not overlap it
  std::optional<IdRange<Gsi>> legacy_irqs = std::nullopt;  // pins
  std::optional<IdRange<Gsi>> msi = std::nullopt;          // GSIs for message-signalled interrupts; not among the pins
  std::optional<IdRange<MemorySlot>> memory_slots = std::nullopt;
  // From 1, so that a default-made InstanceId names no device.
  IdRange<InstanceId> instance_ids = IdRange<InstanceId>::constant(1, 0xffff'ffff);
};

// One allocator per space, each of its own type.
struct SystemSpaces {
  std::optional<AddressAllocator<PioAddress>> pio;
  std::optional<AddressAllocator<MmioAddress>> mmio_low;
  std::optional<AddressAllocator<MmioAddress>> mmio_high;
  std::optional<AddressAllocator<GuestAddress>> guest_memory;
  std::optional<IdAllocator<Gsi>> legacy_irqs;
  std::optional<IdAllocator<Gsi>> msi;
  std::optional<IdAllocator<MemorySlot>> memory_slots;
  IdAllocator<InstanceId> instance_ids;
};

// One line of the resource map: what one owner holds.
struct Holding {
  InstanceId id;
  std::string owner;
  DeviceResources resources;
  friend bool operator==(const Holding&, const Holding&) = default;
};

// The whole state of a system allocator as a value.
struct SystemSnapshot {
  std::optional<AddressSnapshot<PioAddress>> pio;
  std::optional<AddressSnapshot<MmioAddress>> mmio_low;
  std::optional<AddressSnapshot<MmioAddress>> mmio_high;
  std::optional<AddressSnapshot<GuestAddress>> guest_memory;
  std::optional<IdSnapshot<Gsi>> legacy_irqs;
  std::optional<IdSnapshot<Gsi>> msi;
  std::optional<IdSnapshot<MemorySlot>> memory_slots;
  IdSnapshot<InstanceId> instance_ids;
  std::vector<Holding> holdings;  // by instance id
  friend bool operator==(const SystemSnapshot&, const SystemSnapshot&) = default;
};

// Every fact of the snapshot, a line each: two snapshots are equal exactly when their texts are.
[[nodiscard]] std::string to_string(const SystemSnapshot& snapshot);

}  // namespace keel
