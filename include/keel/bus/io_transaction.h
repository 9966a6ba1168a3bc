// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <string>

#include "keel/base/error.h"
#include "keel/bus/bus.h"
#include "keel/bus/removal.h"

namespace keel {

class IoManager;

// Changes to both buses that take effect together: every access of every thread sees all of them or none. Each is
// checked when it is made, against the buses and against the changes before it, and may fail without harm to those;
// commit() checks again, because others may have committed meanwhile, and then changes everything or nothing.
//
// Not committed means cancelled. Several transactions may be open at once; none excludes another. One object is for one
// thread at a time, and may be made and committed inside an I/O handler. The manager must outlive it.
class IoTransaction {
 public:
  IoTransaction(IoTransaction&& other) noexcept;
  IoTransaction& operator=(IoTransaction&& other) noexcept;
  ~IoTransaction();

  // As IoManager's.
  Result<void> register_pio(PioRange range, std::shared_ptr<DevicePio> device, std::string owner);
  Result<void> register_mmio(MmioRange range, std::shared_ptr<DeviceMmio> device, std::string owner);
  // The entry that the commit will take away.
  Result<PioEntry> deregister_pio(PioAddress any_inside);
  Result<MmioEntry> deregister_mmio(MmioAddress any_inside);
  // The range that holds `any_inside` will start at `to`, with its size, device, owner and statistics. It may overlap
  // where it was. Besides kNotFound and kOverlap: kInvalidArgument where it would pass the top of the space.
  Result<void> move_pio(PioAddress any_inside, PioAddress to);
  Result<void> move_mmio(MmioAddress any_inside, MmioAddress to);

  // Publishes all changes, and is empty after success. Says when no access is inside what was removed, or at an
  // address that was moved from. An error names what stands in the way and changes nothing; the transaction keeps its
  // changes and may be committed again.
  Result<Completion> commit();
  // Forgets the changes.
  void cancel() noexcept;

 private:
  friend class IoManager;
  struct Drafts;
  explicit IoTransaction(std::unique_ptr<Drafts> drafts) noexcept;

  std::unique_ptr<Drafts> drafts_;
};

}  // namespace keel
