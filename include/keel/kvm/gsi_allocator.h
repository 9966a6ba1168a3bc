// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "keel/base/address.h"
#include "keel/base/mutex.h"
#include "keel/resource/id_allocator.h"
#include "keel/resource/id_range.h"
#include "keel/resource/lease.h"

namespace keel::kvm {

// Pins and messages take their GSIs from one allocator, so that no number means two things. One GSI at a time, with its
// owner's name. A Leasable (keel/resource/lease.h); not thread-safe itself.
class GsiAllocator {
 public:
  using Value = Gsi;
  struct Request {
    std::string owner;
    IdRange<Gsi> within;  // the lowest free one
  };

  // GSIs 0 to count - 1; 0 < count.
  explicit GsiAllocator(std::uint32_t count) : gsis_("gsi", *IdRange<Gsi>::from_count(Gsi(0), count)) {}

  // Errors: kExhausted where none is free within, which says who holds how many; kOutOfBounds where it lies outside of
  // all there are.
  [[nodiscard]] Result<Gsi> allocate(const Request& request);
  // Errors: IdAllocator's.
  Result<void> free(Gsi gsi);
  // Gives one for another, with its owner. Errors: IdAllocator's; the old one is then kept.
  [[nodiscard]] Result<void> update(Gsi old, Gsi now);

  // In order.
  [[nodiscard]] const std::map<Gsi, std::string>& owners() const noexcept { return owners_; }

 private:
  IdAllocator<Gsi> gsis_;
  std::map<Gsi, std::string> owners_;
};

using GsiPool = LeasePool<GsiAllocator, Mutex>;
using GsiLease = Lease<GsiAllocator, Mutex>;

}  // namespace keel::kvm
