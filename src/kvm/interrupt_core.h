// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "src/kvm/pin_table.h"
#include "src/kvm/route_table.h"
#include "keel/base/event_loop.h"
#include "keel/base/mutex.h"
#include "keel/kvm/gsi_allocator.h"
#include "keel/kvm/interrupts.h"
#include "keel/kvm/irq_calls.h"

namespace keel::kvm {

// Somebody who holds interrupts and can say so.
class Holder {
 public:
  virtual ~Holder() = default;
  virtual void describe(std::vector<InterruptHolding>& into) const = 0;
};

// What all groups of a machine share. Lock order: a group's or source's lock, then the pin table's, a pin's, the route
// table's or the pool's; none of these calls back.
struct InterruptCore {
  InterruptCore(std::shared_ptr<IrqCalls> irq_calls, EventLoop& event_loop, std::uint32_t gsi_count)
      : calls(std::move(irq_calls)),
        loop(event_loop),
        gsis(GsiAllocator(gsi_count)),
        pins(std::make_shared<PinTable>(calls, gsis)),
        routes(calls) {}

  // Remembers who to ask, until they are gone.
  void add_holder(std::weak_ptr<const Holder> holder) {
    const Lock lock(mutex);
    std::erase_if(holders, [](const auto& old) { return old.expired(); });
    holders.push_back(std::move(holder));
  }

  const std::shared_ptr<IrqCalls> calls;
  EventLoop& loop;
  GsiPool gsis;
  const std::shared_ptr<PinTable> pins;
  RouteTable routes;
  mutable Mutex mutex;
  std::vector<std::weak_ptr<const Holder>> holders KEEL_GUARDED_BY(mutex);
};

}  // namespace keel::kvm
