// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "keel/base/mutex.h"
#include "keel/interrupt/interrupt_config.h"
#include "keel/kvm/gsi_allocator.h"
#include "keel/kvm/irq_calls.h"

namespace keel::kvm {

class PinTable;

// A pin in use: an edge-triggered one by one owner, a level-triggered one by several.
class Pin {
 public:
  Pin(IrqCalls& calls, GsiLease gsi, TriggerMode trigger) noexcept
      : calls_(calls), gsi_(std::move(gsi)), trigger_(trigger) {}

  [[nodiscard]] Gsi gsi() const { return gsi_.value(); }

  // The line is up while any of its users that has none but KVM_IRQ_LINE raises it. Each user calls these in turn.
  Result<void> raise();
  Result<void> lower();

 private:
  friend class PinTable;

  IrqCalls& calls_;
  GsiLease gsi_;
  TriggerMode trigger_;             // guarded by the table's lock, as is the next
  std::vector<std::string> users_;  // by name; one may be there twice
  Mutex mutex_;                     // held during the system call, so that levels reach the kernel in order
  std::size_t raised_ KEEL_GUARDED_BY(mutex_) = 0;
};

// One user's part of a pin; leaves it when dropped. Move-only.
class PinUse {
 public:
  PinUse() noexcept = default;
  PinUse(PinUse&&) noexcept = default;
  PinUse& operator=(PinUse&& other) noexcept;
  ~PinUse() { reset(); }
  void reset() noexcept;

  [[nodiscard]] explicit operator bool() const noexcept { return pin_ != nullptr; }
  // Precondition: true.
  [[nodiscard]] Pin& pin() const noexcept { return *pin_; }

 private:
  friend class PinTable;
  PinUse(std::shared_ptr<PinTable> table, std::shared_ptr<Pin> pin, std::string owner) noexcept
      : table_(std::move(table)), pin_(std::move(pin)), owner_(std::move(owner)) {}

  std::shared_ptr<PinTable> table_;
  std::shared_ptr<Pin> pin_;
  std::string owner_;
};

// Who is on which of the IOAPIC's pins.
class PinTable : public std::enable_shared_from_this<PinTable> {
 public:
  PinTable(std::shared_ptr<IrqCalls> calls, GsiPool gsis) noexcept : calls_(std::move(calls)), gsis_(std::move(gsis)) {}

  // Errors: kOutOfBounds where there is no such pin, kAlreadyExists where its users and this one want other things of
  // it, which names them.
  [[nodiscard]] Result<PinUse> join(const std::string& owner, const LegacyIrqConfig& config);
  // Lets `use` listen otherwise on the pin that it has. Error kAlreadyExists, as above.
  Result<void> change(const PinUse& use, TriggerMode trigger);

 private:
  friend class PinUse;
  void leave(const std::shared_ptr<Pin>& pin, const std::string& owner) noexcept;

  std::shared_ptr<IrqCalls> calls_;
  GsiPool gsis_;
  Mutex mutex_;  // taken before the pool's
  std::map<Gsi, std::shared_ptr<Pin>> pins_ KEEL_GUARDED_BY(mutex_);
};

}  // namespace keel::kvm
