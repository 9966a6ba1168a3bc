// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "keel/base/mutex.h"
#include "keel/kvm/irq_calls.h"

namespace keel::kvm {

// The machine's message routes. A batch of changes is one system call, or none where it changes nothing.
//
// A route reaches nobody unless an irqfd feeds its GSI. So taking routes away costs no call of its own and cannot fail:
// the kernel keeps them until the next batch, which is complete by itself.
class RouteTable {
 public:
  explicit RouteTable(std::shared_ptr<IrqCalls> calls) noexcept : calls_(std::move(calls)) {}

  // Adds and replaces, all or nothing.
  Result<void> set(std::span<const MsiRoute> changes);
  // Puts back what set() changed: `routes` are to be there again, and none for `gsis` besides. Where the kernel
  // refuses, the next batch does it.
  void restore(std::span<const MsiRoute> routes, std::span<const Gsi> gsis) noexcept;
  void forget(std::span<const Gsi> gsis) noexcept;

  // By GSI.
  [[nodiscard]] std::vector<MsiRoute> routes() const;

 private:
  std::shared_ptr<IrqCalls> calls_;
  mutable Mutex mutex_;  // held during the system call, so that tables reach the kernel in order; otherwise a leaf
  std::vector<MsiRoute> routes_ KEEL_GUARDED_BY(mutex_);  // by GSI
  bool stale_ KEEL_GUARDED_BY(mutex_) = false;            // the kernel routes a GSI otherwise than routes_ says
};

}  // namespace keel::kvm
