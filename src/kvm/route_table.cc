// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/kvm/route_table.h"

#include <algorithm>

namespace keel::kvm {
namespace {

void put(std::vector<MsiRoute>& table, std::span<const MsiRoute> routes) {
  for (const MsiRoute& route : routes) {
    const auto at = std::ranges::lower_bound(table, route.gsi, {}, &MsiRoute::gsi);
    if (at != table.end() && at->gsi == route.gsi)
      *at = route;
    else
      table.insert(at, route);
  }
}

void take_out(std::vector<MsiRoute>& table, std::span<const Gsi> gsis) {
  std::vector<Gsi> sorted(gsis.begin(), gsis.end());
  std::ranges::sort(sorted);
  std::erase_if(table, [&](const MsiRoute& route) { return std::ranges::binary_search(sorted, route.gsi); });
}

}  // namespace

Result<void> RouteTable::set(std::span<const MsiRoute> changes) {
  const Lock lock(mutex_);
  std::vector<MsiRoute> next = routes_;
  put(next, changes);
  if (next == routes_ && !stale_) return {};
  if (Result<void> done = calls_->set_routes(next); !done) return done;
  routes_ = std::move(next);
  stale_ = false;
  return {};
}

void RouteTable::restore(std::span<const MsiRoute> routes, std::span<const Gsi> gsis) noexcept {
  const Lock lock(mutex_);
  std::vector<MsiRoute> next = routes_;
  take_out(next, gsis);
  put(next, routes);
  if (next == routes_) return;
  routes_ = std::move(next);
  // Where nothing live was changed, what is left over in the kernel harms nobody.
  if (!routes.empty()) stale_ = !calls_->set_routes(routes_).has_value();
}

void RouteTable::forget(std::span<const Gsi> gsis) noexcept {
  const Lock lock(mutex_);
  take_out(routes_, gsis);
}

std::vector<MsiRoute> RouteTable::routes() const {
  const Lock lock(mutex_);
  return routes_;
}

}  // namespace keel::kvm
