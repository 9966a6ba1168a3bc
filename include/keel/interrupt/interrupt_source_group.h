// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "keel/base/error.h"
#include "keel/interrupt/interrupt.h"
#include "keel/interrupt/interrupt_config.h"

namespace keel {

// A vector of an MSI or MSI-X capability.
class MsiInterrupt : public Interrupt,
                     public ConfigurableInterrupt<MsiConfig>,
                     public MaskableInterrupt,
                     public EdgeInterrupt {};

// A pin, as one device has it. Edge-triggered: raise() is the edge, lower() makes ready for the next, trigger() does
// both. Level-triggered: trigger() is refused (kInvalidState), since the guest may look after the pulse is over.
class LegacyInterrupt : public Interrupt,
                        public ConfigurableInterrupt<LegacyIrqConfig>,
                        public MaskableInterrupt,
                        public LevelInterrupt,
                        public EdgeInterrupt {};

// The same where acknowledging a level lowers it, and nothing else does: after lower() the guest may take it once more.
class ResampledInterrupt : public LegacyInterrupt, public RetriggeredInterrupt {};

// The interrupts of one kind that one device has. Empty until allocate(). Each operation is all or nothing: on error
// the group is as it was. Operations on several interrupts cost the hypervisor one change of its routes, not one each.
//
// Callable from any thread. Interrupts may be kept beyond free() and beyond the group; they then refuse everything but
// disable(), mask() and lower() with kInvalidState.
template <typename I>
class InterruptSourceGroup {
 public:
  using Config = typename I::Config;
  struct Change {
    std::size_t index;
    Config config;
  };

  virtual ~InterruptSourceGroup() = default;

  // Takes `count` interrupts from the machine: disabled, not masked, not configured. Errors: kInvalidArgument (0),
  // kInvalidState (some are allocated), kExhausted (says who holds what).
  virtual Result<void> allocate(std::size_t count) = 0;
  // Disables all and gives them back. Of an empty group: nothing.
  virtual Result<void> free() = 0;
  virtual Result<void> enable() = 0;
  virtual Result<void> disable() = 0;

  [[nodiscard]] virtual std::size_t size() const noexcept = 0;
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  // Error kOutOfBounds, here and below, where an index is not below size().
  [[nodiscard]] virtual Result<std::shared_ptr<I>> get(std::size_t index) const = 0;

  virtual Result<void> update(std::span<const Change> changes) = 0;
  virtual Result<void> mask(std::span<const std::size_t> indices) = 0;
  virtual Result<void> unmask(std::span<const std::size_t> indices) = 0;

  // The same for one.
  Result<void> update(std::size_t index, const Config& config) {
    const Change change{index, config};
    return update({&change, 1});
  }
  Result<void> mask(std::size_t index) { return mask({&index, 1}); }
  Result<void> unmask(std::size_t index) { return unmask({&index, 1}); }
};

using MsiGroup = InterruptSourceGroup<MsiInterrupt>;
using LegacyGroup = InterruptSourceGroup<LegacyInterrupt>;
using ResampledGroup = InterruptSourceGroup<ResampledInterrupt>;

}  // namespace keel
