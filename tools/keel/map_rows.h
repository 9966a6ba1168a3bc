// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "keel/resource/id_range.h"
#include "keel/resource/resources.h"
#include "keel/resource/system_spaces.h"

namespace keel::tool {

// Ids in a row with one owner, or with none.
template <typename Id>
struct IdRow {
  IdRange<Id> ids;
  std::optional<std::string> owner;
};

inline std::vector<IdRange<Gsi>> irqs_of(const DeviceResources& resources) {
  std::vector<IdRange<Gsi>> runs;
  for (const Gsi gsi : resources.legacy_irqs()) runs.push_back(IdRange<Gsi>::single(gsi));
  return runs;
}

inline std::vector<IdRange<Gsi>> msis_of(const DeviceResources& resources) {
  std::vector<IdRange<Gsi>> runs;
  for (const MsiKind kind : {MsiKind::kPciMsi, MsiKind::kPciMsix, MsiKind::kGeneric})
    for (const IdRange<Gsi> run : resources.msi(kind)) runs.push_back(run);
  return runs;
}

inline std::vector<IdRange<MemorySlot>> slots_of(const DeviceResources& resources) {
  std::vector<IdRange<MemorySlot>> runs = resources.memory_slots();
  for (const BackedMmioResource& backed : resources.backed_mmio())
    runs.push_back(IdRange<MemorySlot>::single(backed.slot));
  return runs;
}

// All of `managed`, in order: what runs_of() says that each owner holds, and the free runs between.
template <typename Id, typename RunsOf>
std::vector<IdRow<Id>> id_rows(IdRange<Id> managed, const std::vector<Holding>& holdings, RunsOf runs_of) {
  std::vector<IdRow<Id>> rows;
  for (const Holding& holding : holdings)
    for (const IdRange<Id> run : runs_of(holding.resources)) rows.push_back({run, holding.owner});
  std::ranges::sort(rows, {}, &IdRow<Id>::ids);

  std::vector<IdRow<Id>> all;
  std::uint64_t next = 0;  // index into managed
  const auto free_until = [&](std::uint64_t end) {
    if (next < end) all.push_back({*IdRange<Id>::from_bounds(managed.at(next), managed.at(end - 1)), std::nullopt});
  };
  for (IdRow<Id>& row : rows) {
    const std::uint64_t begin = row.ids.first().value() - managed.first().value();
    free_until(begin);
    next = begin + row.ids.count();
    all.push_back(std::move(row));
  }
  free_until(managed.count());
  return all;
}

// The same of addresses: allocations and holes.
template <typename A>
struct AddressRow {
  Range<A> range;
  std::optional<std::string> owner;
};

template <typename A>
std::vector<AddressRow<A>> address_rows(const AddressSnapshot<A>& space) {
  std::vector<AddressRow<A>> all;
  std::optional<A> next = space.managed.first();
  for (const Allocation<A>& allocation : space.allocations) {
    if (*next < allocation.range.first()) {
      const A before(static_cast<typename A::Value>(allocation.range.first().value() - 1));
      all.push_back({*Range<A>::from_bounds(*next, before), std::nullopt});
    }
    all.push_back({allocation.range, allocation.owner});
    next = allocation.range.last().checked_add(1);
  }
  if (next && *next <= space.managed.last())
    all.push_back({*Range<A>::from_bounds(*next, space.managed.last()), std::nullopt});
  return all;
}

}  // namespace keel::tool
