// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <concepts>
#include <cstdint>

#include "keel/base/error.h"

namespace keel {

// What a hypervisor's interrupt mechanism listens to and signals: EventFd for KVM (irqfd, resamplefd), a fake in tests.
template <typename N>
concept InterruptNotifier = requires(const N& notifier) {
  { notifier.signal() } -> std::same_as<Result<void>>;
  { notifier.drain() } -> std::same_as<Result<std::uint64_t>>;
};

// For code that goes past the VMM (VFIO, vhost): the mechanism under an interrupt. Notifiers live as long as the
// interrupt and stay the same.

// Signalling it is trigger() (raise(), of a level), with the same rules when masked; while the interrupt is disabled
// signals are dropped when it is next enabled.
template <InterruptNotifier N>
class TriggerNotifier {
 public:
  virtual ~TriggerNotifier() = default;
  [[nodiscard]] virtual const N& trigger_notifier() const noexcept = 0;
};

// Signalled when the guest has acknowledged a level interrupt and the line is down again. Whoever takes it reads it
// from then on and decides about raising again; the interrupt itself stops doing so (RetriggeredInterrupt).
template <InterruptNotifier N>
class ResampleNotifier {
 public:
  virtual ~ResampleNotifier() = default;
  [[nodiscard]] virtual const N& take_resample_notifier() = 0;
};

// The mechanism under `interrupt`, or null where it has none of that type.
template <InterruptNotifier N, typename I>
[[nodiscard]] const N* find_trigger_notifier(const I& interrupt) noexcept {
  const auto* with = dynamic_cast<const TriggerNotifier<N>*>(&interrupt);
  return with == nullptr ? nullptr : &with->trigger_notifier();
}

}  // namespace keel
