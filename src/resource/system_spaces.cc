// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/system_spaces.h"

#include <iterator>
#include <string_view>

#include <fmt/format.h>

namespace keel {

namespace {

template <typename A>
void write(std::string& text, std::string_view name, const std::optional<AddressSnapshot<A>>& space) {
  if (!space) return;
  fmt::format_to(std::back_inserter(text), "{} {}\n", name, space->managed);
  for (const Allocation<A>& allocation : space->allocations)
    fmt::format_to(std::back_inserter(text), "  {} \"{}\"\n", allocation.range, allocation.owner);
}

template <typename Id>
void write(std::string& text, std::string_view name, const std::optional<IdSnapshot<Id>>& space) {
  if (!space) return;
  fmt::format_to(std::back_inserter(text), "{} {}\n", name, space->managed);
  for (const IdRange<Id> run : space->taken) fmt::format_to(std::back_inserter(text), "  {}\n", run);
}

}  // namespace

std::string to_string(const SystemSnapshot& snapshot) {
  std::string text;
  write(text, "pio", snapshot.pio);
  write(text, "mmio below 4 GiB", snapshot.mmio_low);
  write(text, "mmio above 4 GiB", snapshot.mmio_high);
  write(text, "guest memory", snapshot.guest_memory);
  write(text, "irqs", snapshot.legacy_irqs);
  write(text, "msi gsis", snapshot.msi);
  write(text, "memory slots", snapshot.memory_slots);
  write(text, "instance ids", std::optional(snapshot.instance_ids));
  text += "owners\n";
  for (const Holding& holding : snapshot.holdings) {
    fmt::format_to(std::back_inserter(text), "  {} \"{}\": {}\n", holding.id, holding.owner,
                   to_string(holding.resources));
  }
  return text;
}

}  // namespace keel
