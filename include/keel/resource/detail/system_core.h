// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keel/base/error.h"
#include "keel/resource/constraints.h"
#include "keel/resource/fault_injector.h"
#include "keel/resource/system_spaces.h"

namespace keel::detail {

// SystemAllocator without its lock. Every failure leaves everything as it was.
class SystemCore {
 public:
  static Result<SystemCore> create(const SystemConfig& config, FaultInjector* faults);

  Result<Holding> allocate(const ResourceConstraints& constraints, std::string_view owner,
                           std::optional<InstanceId> id);
  // For an id that allocate() gave out and release() did not take back:
  Result<DeviceResources> extend(InstanceId id, const ResourceConstraints& constraints);
  Result<void> give_back(InstanceId id, const Resource& resource);
  Result<void> move(InstanceId id, const Resource& old, const Resource& now);
  // See Grant.
  Result<void> begin_move(InstanceId id, const Resource& old, const Resource& now);
  void finish_move(const Resource& old, const Resource& now);
  void undo_move(InstanceId id, const Resource& old, const Resource& now);
  void release(InstanceId id);

  [[nodiscard]] const SystemSpaces& spaces() const noexcept { return spaces_; }
  [[nodiscard]] std::vector<Holding> holdings() const;
  [[nodiscard]] SystemSnapshot snapshot() const;

 private:
  SystemCore(SystemSpaces spaces, FaultInjector* faults) : spaces_(std::move(spaces)), faults_(faults) {}

  [[nodiscard]] Result<void> step(std::string_view what) const;
  Result<DeviceResources> take_all(const ResourceConstraints& constraints, std::string_view owner);
  void free_all(const DeviceResources& resources);

  // Taking one resource, by the kind of its constraint.
  Result<Resource> take(const PioConstraint& pio, std::string_view owner);
  Result<Resource> take(const MmioConstraint& mmio, std::string_view owner);
  Result<Resource> take(const GuestMemoryConstraint& memory, std::string_view owner);
  Result<Resource> take(const LegacyIrqConstraint& irq, std::string_view owner);
  Result<Resource> take(const MsiConstraint& msi, std::string_view owner);
  Result<Resource> take(const MemorySlotConstraint& slots, std::string_view owner);
  Result<MmioRange> take_range(const MmioConstraint& mmio, std::string_view owner);

  // Giving one back. Precondition: it is taken.
  void free(const PioResource& pio);
  void free(const MmioResource& mmio);
  void free(const BackedMmioResource& mmio);
  void free(const GuestMemoryResource& memory);
  void free(const LegacyIrqResource& irq);
  void free(const MsiResource& msi);
  void free(const MemorySlotResource& slots);
  void free(const MacAddressResource&) {}

  Result<void> move_any(const Resource& old, const Resource& now, std::string_view owner);
  // Takes a piece of a PIO or MMIO range that is being moved.
  Result<void> keep(const Resource& piece, std::string_view owner);
  Result<void> move_one(const PioResource& old, const PioResource& now, std::string_view owner);
  Result<void> move_one(const MmioResource& old, const MmioResource& now, std::string_view owner);
  Result<void> move_one(const BackedMmioResource& old, const BackedMmioResource& now, std::string_view owner);
  Result<void> move_one(const GuestMemoryResource& old, const GuestMemoryResource& now, std::string_view owner);
  Result<void> move_one(const LegacyIrqResource& old, const LegacyIrqResource& now, std::string_view owner);
  Result<void> move_one(const MsiResource& old, const MsiResource& now, std::string_view owner);
  Result<void> move_one(const MemorySlotResource& old, const MemorySlotResource& now, std::string_view owner);
  Result<void> move_one(const MacAddressResource&, const MacAddressResource&, std::string_view) { return {}; }
  Result<void> move_range(MmioRange old, MmioRange now, std::string_view owner);

  // The window that holds all of `range`, or null.
  [[nodiscard]] AddressAllocator<MmioAddress>* window_of(MmioRange range);

  // `error` with the list of who holds the ids of that kind; of those in `wanted`, where that is what was refused.
  [[nodiscard]] Error in_no_window(MmioRange range) const;
  [[nodiscard]] Error with_irq_holders(const Error& error, std::optional<IdRange<Gsi>> wanted) const;
  [[nodiscard]] Error with_msi_holders(const Error& error, std::optional<IdRange<Gsi>> wanted) const;
  [[nodiscard]] Error with_slot_holders(const Error& error, std::optional<IdRange<MemorySlot>> wanted) const;
  [[nodiscard]] Error with_id_holders(const Error& error, std::optional<InstanceId> wanted) const;

  SystemSpaces spaces_;
  std::map<InstanceId, Holding> holdings_;
  FaultInjector* faults_;
};

}  // namespace keel::detail
