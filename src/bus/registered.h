// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <string>
#include <utility>

#include "src/bus/books.h"
#include "src/bus/route_table.h"
#include "keel/bus/bus.h"

namespace keel::detail {

// One registered range, as management knows it. Immutable once published.
template <typename A>
struct Registered {
  Registered(BusEntry<A> bus_entry, std::shared_ptr<Line<A>> ledger_line)
      : entry(std::move(bus_entry)), ledger(std::move(ledger_line)) {}

  const BusEntry<A> entry;
  const std::shared_ptr<Line<A>> ledger;
  std::uint64_t serial = 0;  // given when published; tells it from a later entry at the same range

  // What an access is to know of it.
  [[nodiscard]] Route route() const noexcept {
    const std::uint64_t length = std::uint64_t{entry.range().last_offset()} + 1;  // 0 for 2^64
    return {.first = entry.range().first().value(),
            .length = length,
            .target = entry.device().get(),
            .cell = Book::cell_of(ledger->number()),
            .kind = length == 0 ? Route::Kind::kEverything : Route::Kind::kRange};
  }
};

template <typename A>
std::string describe(const BusEntry<A>& entry) {
  return fmt::format("{} \"{}\"", entry.range(), entry.owner());
}

}  // namespace keel::detail
