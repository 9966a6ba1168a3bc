// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <string>
#include <utility>

#include "src/bus/io_manager_core.h"
#include "keel/base/try.h"
#include "keel/bus/handler_scope.h"
#include "keel/bus/io_transaction.h"

namespace keel {

struct IoTransaction::Drafts {
  explicit Drafts(detail::IoManagerCore& manager) noexcept : core(manager) {}

  template <typename A>
  Result<void> add(detail::Draft<A>& draft, Range<A> range, std::shared_ptr<DeviceOn<A>> device, std::string owner) {
    const HandlerScope scope;  // where a refused device is destroyed
    KEEL_TRY(auto entry, core.make_entry<A>(range, std::move(device), std::move(owner)));
    return core.with_registry<A>([&](const auto& registry) { return draft.add(registry, std::move(entry)); });
  }

  detail::IoManagerCore& core;
  detail::Draft<PioAddress> pio;
  detail::Draft<MmioAddress> mmio;
};

}  // namespace keel
