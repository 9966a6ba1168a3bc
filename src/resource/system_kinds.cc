// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// SystemCore, kind by kind: how each constraint is taken, each resource given back and moved, and who holds what.

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "keel/base/check.h"
#include "keel/base/try.h"
#include "keel/resource/detail/system_core.h"

namespace keel::detail {

namespace {

using MmioAllocator = AddressAllocator<MmioAddress>;

// The allocator, or the error that says the machine lacks it.
template <typename Allocator>
Result<Allocator*> need(std::optional<Allocator>& allocator, std::string_view what, std::string_view field) {
  if (allocator) return &*allocator;
  return fail(ErrorCode::kUnsupported, "this machine has no {}; give it some in SystemConfig::{}", what, field);
}

template <typename Constraint, typename A>
AddressRequest<A> request(const Constraint& constraint, const std::optional<Range<A>>& within, std::string_view owner) {
  AddressRequest<A> request{.size = constraint.size,
                            .alignment = constraint.alignment,
                            .match = constraint.match,
                            .within = within,
                            .owner = owner};
  // Bounds that leave no choice: ask for the address, so that a refusal names who is there.
  if (within && within->size() == constraint.size) request.at = within->first();
  return request;
}

template <typename Allocator>
void give(std::optional<Allocator>& allocator, typename Allocator::Value value) {
  check(allocator && allocator->free(value).has_value(), "a held resource is not taken");
}

// Moves a run of ids.
template <typename Id>
Result<void> move_ids(std::optional<IdAllocator<Id>>& allocator, IdRange<Id> old, IdRange<Id> now) {
  check(allocator.has_value(), "a held resource has no allocator");
  return allocator->update(old, now);
}

template <typename Id>
using Holders = std::vector<std::pair<IdRange<Id>, std::string_view>>;

template <typename Id>
std::optional<IdRange<Id>> only(std::optional<Id> id) {
  return id ? std::optional(IdRange<Id>::single(*id)) : std::nullopt;
}

// `error` and, where ids have run out or one is taken, `; held by: 5 "com1", 6 "blk0"`.
template <typename Id>
Error with_holders(const Error& error, Holders<Id> holders, std::optional<IdRange<Id>> wanted) {
  constexpr std::size_t kShown = 32;
  if (error.code() != ErrorCode::kExhausted && error.code() != ErrorCode::kAlreadyExists) return error;
  if (wanted) std::erase_if(holders, [&wanted](const auto& holder) { return !holder.first.overlaps(*wanted); });
  if (holders.empty()) return error;
  std::sort(holders.begin(), holders.end());
  std::string list;
  for (std::size_t i = 0; i < std::min(holders.size(), kShown); ++i)
    list += fmt::format("{}{} \"{}\"", i == 0 ? "" : ", ", holders[i].first, holders[i].second);
  if (holders.size() > kShown) list += fmt::format(" and {} more", holders.size() - kShown);
  return {error.code(), fmt::format("{}; held by: {}", error.message(), list)};
}

}  // namespace

// Taking.

Result<Resource> SystemCore::take(const PioConstraint& pio, std::string_view owner) {
  KEEL_TRY(auto* space, need(spaces_.pio, "pio space", "pio"));
  KEEL_TRY(const PioRange range, space->allocate(request(pio, pio.within, owner)));
  return PioResource{range};
}

Result<Resource> SystemCore::take(const MmioConstraint& mmio, std::string_view owner) {
  if (mmio.backing == MmioBacking::kTrapped) {
    KEEL_TRY(const MmioRange range, take_range(mmio, owner));
    return MmioResource{range};
  }
  KEEL_TRY(auto* slots, need(spaces_.memory_slots, "memory slots", "memory_slots"));
  const Result<MemorySlot> slot = slots->allocate();
  if (!slot) return std::unexpected(with_slot_holders(slot.error(), std::nullopt));
  const Result<MmioRange> range = take_range(mmio, owner);
  if (range) return BackedMmioResource{*range, *slot};
  give(spaces_.memory_slots, IdRange<MemorySlot>::single(*slot));
  return std::unexpected(range.error());
}

Result<MmioRange> SystemCore::take_range(const MmioConstraint& mmio, std::string_view owner) {
  const AddressRequest<MmioAddress> wanted = request(mmio, mmio.within, owner);
  if (mmio.place == MmioPlace::kAbove4GiB) {
    KEEL_TRY(MmioAllocator * window, need(spaces_.mmio_high, "mmio window above 4 GiB", "mmio_high"));
    return window->allocate(wanted);
  }
  if (mmio.place == MmioPlace::kBelow4GiB || (!spaces_.mmio_low && !spaces_.mmio_high)) {
    KEEL_TRY(MmioAllocator * window, need(spaces_.mmio_low, "mmio window below 4 GiB", "mmio_low"));
    return window->allocate(wanted);
  }
  // A window of this machine that the request may be served from.
  const auto serving = [&wanted](std::optional<MmioAllocator>& window) -> MmioAllocator* {
    if (!window) return nullptr;
    if (wanted.at) return window->managed().contains(*wanted.within) ? &*window : nullptr;
    return !wanted.within || window->managed().overlaps(*wanted.within) ? &*window : nullptr;
  };
  MmioAllocator* const low = serving(spaces_.mmio_low);
  MmioAllocator* const high = serving(spaces_.mmio_high);
  if (low == nullptr && high == nullptr) return std::unexpected(in_no_window(*wanted.within));
  if (low == nullptr || high == nullptr) return (low == nullptr ? high : low)->allocate(wanted);
  if (mmio.place == MmioPlace::kDefault) return low->allocate(wanted);
  Result<MmioRange> above = high->allocate(wanted);
  // What neither could do is said once.
  if (above || above.error().code() == ErrorCode::kInvalidArgument) return above;
  Result<MmioRange> below = low->allocate(wanted);
  if (below) return below;
  return fail(below.error().code(), "{}; and {}", above.error().message(), below.error().message());
}

Result<Resource> SystemCore::take(const GuestMemoryConstraint& memory, std::string_view owner) {
  KEEL_TRY(auto* space, need(spaces_.guest_memory, "guest memory space", "guest_memory"));
  KEEL_TRY(const GuestRange range, space->allocate(request(memory, memory.within, owner)));
  return GuestMemoryResource{range};
}

Result<Resource> SystemCore::take(const LegacyIrqConstraint& irq, std::string_view) {
  KEEL_TRY(auto* irqs, need(spaces_.legacy_irqs, "legacy irqs", "legacy_irqs"));
  const Result<IdRange<Gsi>> gsi = irqs->allocate({.count = 1, .at = irq.gsi, .within = irq.within});
  if (!gsi) return std::unexpected(with_irq_holders(gsi.error(), irq.gsi ? only(irq.gsi) : irq.within));
  return LegacyIrqResource{gsi->first()};
}

Result<Resource> SystemCore::take(const MsiConstraint& msi, std::string_view) {
  KEEL_TRY(auto* gsis, need(spaces_.msi, "gsis for msi", "msi"));
  const Result<IdRange<Gsi>> run = gsis->allocate({.count = msi.count});
  if (!run) return std::unexpected(with_msi_holders(run.error(), std::nullopt));
  return MsiResource{msi.kind, *run};
}

Result<Resource> SystemCore::take(const MemorySlotConstraint& wanted, std::string_view) {
  KEEL_TRY(auto* slots, need(spaces_.memory_slots, "memory slots", "memory_slots"));
  const Result<IdRange<MemorySlot>> run = slots->allocate({.count = wanted.count, .at = wanted.first});
  if (!run) {
    const auto asked =
        wanted.first ? IdRange<MemorySlot>::from_count(*wanted.first, wanted.count) : std::unexpected(run.error());
    return std::unexpected(with_slot_holders(run.error(), asked ? std::optional(*asked) : std::nullopt));
  }
  return MemorySlotResource{*run};
}

// Giving back.

AddressAllocator<MmioAddress>* SystemCore::window_of(MmioRange range) {
  for (std::optional<MmioAllocator>* window : {&spaces_.mmio_low, &spaces_.mmio_high})
    if (*window && (*window)->managed().contains(range)) return &**window;
  return nullptr;
}

void SystemCore::free(const PioResource& pio) {
  give(spaces_.pio, pio.range);
}
void SystemCore::free(const MmioResource& mmio) {
  MmioAllocator* window = window_of(mmio.range);
  check(window != nullptr && window->free(mmio.range).has_value(), "a held mmio range is not taken");
}
void SystemCore::free(const BackedMmioResource& mmio) {
  free(MmioResource{mmio.range});
  give(spaces_.memory_slots, IdRange<MemorySlot>::single(mmio.slot));
}
void SystemCore::free(const GuestMemoryResource& memory) {
  give(spaces_.guest_memory, memory.range);
}
void SystemCore::free(const LegacyIrqResource& irq) {
  give(spaces_.legacy_irqs, IdRange<Gsi>::single(irq.gsi));
}
void SystemCore::free(const MsiResource& msi) {
  give(spaces_.msi, msi.gsis);
}
void SystemCore::free(const MemorySlotResource& memory) {
  give(spaces_.memory_slots, memory.slots);
}

// Moving.

Result<void> SystemCore::move_range(MmioRange old, MmioRange now, std::string_view owner) {
  MmioAllocator* from = window_of(old);
  MmioAllocator* to = window_of(now);
  check(from != nullptr, "a held mmio range is in no window");
  if (to == nullptr) return std::unexpected(in_no_window(now));
  if (from == to) return from->update(old, now);
  KEEL_TRY_VOID(to->allocate(now, owner));
  check(from->free(old).has_value(), "a held mmio range is not taken");
  return {};
}

Result<void> SystemCore::move_one(const PioResource& old, const PioResource& now, std::string_view) {
  return spaces_.pio->update(old.range, now.range);
}
Result<void> SystemCore::move_one(const MmioResource& old, const MmioResource& now, std::string_view owner) {
  return move_range(old.range, now.range, owner);
}
Result<void> SystemCore::move_one(const BackedMmioResource& old, const BackedMmioResource& now,
                                  std::string_view owner) {
  if (old.slot != now.slot)
    return fail(ErrorCode::kInvalidArgument, "memory slot {} moves with its range; keep the slot", old.slot);
  return move_range(old.range, now.range, owner);
}
Result<void> SystemCore::move_one(const GuestMemoryResource& old, const GuestMemoryResource& now, std::string_view) {
  return spaces_.guest_memory->update(old.range, now.range);
}
Result<void> SystemCore::move_one(const LegacyIrqResource& old, const LegacyIrqResource& now, std::string_view) {
  const Result<void> moved =
      move_ids(spaces_.legacy_irqs, IdRange<Gsi>::single(old.gsi), IdRange<Gsi>::single(now.gsi));
  return moved ? moved : std::unexpected(with_irq_holders(moved.error(), only(std::optional(now.gsi))));
}
Result<void> SystemCore::move_one(const MsiResource& old, const MsiResource& now, std::string_view) {
  const Result<void> moved = move_ids(spaces_.msi, old.gsis, now.gsis);
  return moved ? moved : std::unexpected(with_msi_holders(moved.error(), now.gsis));
}
Result<void> SystemCore::move_one(const MemorySlotResource& old, const MemorySlotResource& now, std::string_view) {
  const Result<void> moved = move_ids(spaces_.memory_slots, old.slots, now.slots);
  return moved ? moved : std::unexpected(with_slot_holders(moved.error(), now.slots));
}

// Explaining.

Error SystemCore::in_no_window(MmioRange range) const {
  std::string windows;
  for (const std::optional<MmioAllocator>* window : {&spaces_.mmio_low, &spaces_.mmio_high})
    if (*window)
      windows += fmt::format("{}{} {}", windows.empty() ? "" : ", ", (*window)->name(), (*window)->managed());
  return {
      ErrorCode::kOutOfBounds,
      fmt::format("{} lies in no mmio window of this machine ({}); choose a place inside one of them", range, windows)};
}

Error SystemCore::with_irq_holders(const Error& error, std::optional<IdRange<Gsi>> wanted) const {
  Holders<Gsi> holders;
  for (const auto& [id, holding] : holdings_)
    for (const Gsi gsi : holding.resources.legacy_irqs())
      holders.emplace_back(IdRange<Gsi>::single(gsi), holding.owner);
  return with_holders(error, std::move(holders), wanted);
}

Error SystemCore::with_msi_holders(const Error& error, std::optional<IdRange<Gsi>> wanted) const {
  Holders<Gsi> holders;
  for (const auto& [id, holding] : holdings_)
    for (const MsiKind kind : {MsiKind::kPciMsi, MsiKind::kPciMsix, MsiKind::kGeneric})
      for (const IdRange<Gsi> gsis : holding.resources.msi(kind)) holders.emplace_back(gsis, holding.owner);
  return with_holders(error, std::move(holders), wanted);
}

Error SystemCore::with_slot_holders(const Error& error, std::optional<IdRange<MemorySlot>> wanted) const {
  Holders<MemorySlot> holders;
  for (const auto& [id, holding] : holdings_) {
    for (const IdRange<MemorySlot> slots : holding.resources.memory_slots()) holders.emplace_back(slots, holding.owner);
    for (const BackedMmioResource& mmio : holding.resources.backed_mmio())
      holders.emplace_back(IdRange<MemorySlot>::single(mmio.slot), holding.owner);
  }
  return with_holders(error, std::move(holders), wanted);
}

Error SystemCore::with_id_holders(const Error& error, std::optional<InstanceId> wanted) const {
  Holders<InstanceId> holders;
  for (const auto& [id, holding] : holdings_) holders.emplace_back(IdRange<InstanceId>::single(id), holding.owner);
  return with_holders(error, std::move(holders), only(wanted));
}

}  // namespace keel::detail
