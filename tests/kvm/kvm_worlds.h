// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "kvm/interrupt_guest.h"
#include "keel/base/epoll_loop.h"
#include "keel/kvm/interrupts.h"

// KVM, for the conformance suites (support/interrupt_world.h).
namespace keel::testing {

// A machine with a guest that takes interrupts, and a loop that is served while the guest is idle.
class KvmWorld {
 public:
  static constexpr std::uint32_t kGsis = 64;
  static constexpr int kPinCycles = 400;  // KVM waits at each for all that read its table of interrupts

  KvmWorld() { guest_.settle(); }

  void program_pin(Gsi pin, std::uint8_t vector, TriggerMode mode) { guest_.program_pin(pin, vector, mode); }
  std::uint64_t gsis_taken() const { return interrupts_.gsis_taken(); }
  std::optional<std::uint8_t> take(const std::function<void()>& handler = {}) {
    return take_within(std::chrono::seconds(20), handler);
  }
  // KVM raises levels from a thread of its own, so what is on its way may take a moment.
  std::optional<std::uint8_t> take_if_any(const std::function<void()>& handler = {}) {
    return take_within(std::chrono::milliseconds(30), handler);
  }

 private:
  std::optional<std::uint8_t> take_within(std::chrono::milliseconds patience, const std::function<void()>& handler) {
    return guest_.take(handler, patience, [this] { need(loop_->serve(std::chrono::milliseconds(0))); });
  }

 protected:
  std::unique_ptr<EpollLoop> loop_ = need(EpollLoop::create());
  InterruptGuest guest_;
  kvm::Interrupts interrupts_{guest_.vm.irq_calls(), *loop_, kGsis};
};

// Everything by irqfd, where the mechanism can be reached.
class IrqfdWorld : public KvmWorld {
 public:
  using Legacy = ResampledInterrupt;
  using Notifier = EventFd;
  auto msi_group() { return interrupts_.msi_group("messages"); }
  auto legacy_group() { return interrupts_.resampled_pin_group("pins"); }
};

// Everything by system call, but edges on pins.
class IoctlWorld : public KvmWorld {
 public:
  using Legacy = LegacyInterrupt;
  auto msi_group() { return interrupts_.unrouted_msi_group("messages"); }
  auto legacy_group() { return interrupts_.pin_group("pins"); }
};

}  // namespace keel::testing
