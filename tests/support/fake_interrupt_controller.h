// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "keel/base/mutex.h"
#include "keel/base/try.h"
#include "keel/interrupt/interrupt_source_group.h"
#include "keel/interrupt/notifier.h"
#include "keel/resource/id_allocator.h"

namespace keel::testing {

// What an eventfd is to KVM: a counter, unless somebody listens.
class FakeNotifier {
 public:
  using Count = std::atomic<std::uint64_t>;
  FakeNotifier() = default;
  explicit FakeNotifier(std::function<void(Count&)> listener) : listener_(std::move(listener)) {}

  Result<void> signal() const {
    if (listener_)
      listener_(count_);
    else
      ++count_;
    return {};
  }
  [[nodiscard]] Result<std::uint64_t> drain() const { return count_.exchange(0); }
  [[nodiscard]] bool is_signalled() const noexcept { return count_ != 0; }

 private:
  std::function<void(Count&)> listener_;  // adds to the count what it does not take
  mutable Count count_ = 0;
};

class FakeMsi;
class FakePin;

// An interrupt controller with the guest's processor behind it: 24 pins, each with the vector and trigger mode that the
// guest programs, messages, pending vectors, end of interrupt with resample. The groups it makes are complete.
class FakeInterruptController {
 public:
  static constexpr std::uint32_t kPins = 24;

  // `gsis` numbers, of which the first 24 are the pins.
  explicit FakeInterruptController(std::uint32_t gsis = 4096) : gsis_("gsi", *IdRange<Gsi>::from_count(Gsi(0), gsis)) {}

  [[nodiscard]] std::unique_ptr<MsiGroup> msi_group();
  [[nodiscard]] std::unique_ptr<ResampledGroup> legacy_group();

  // The guest's side. A pin interrupts once it is programmed.
  void program_pin(Gsi pin, std::uint8_t vector, TriggerMode mode) {
    const Lock lock(mutex_);
    pins_[pin.value()].vector = vector;
    pins_[pin.value()].mode = mode;
    sample(pins_[pin.value()]);
  }
  // The highest pending vector, which becomes the one in service.
  std::optional<std::uint8_t> acknowledge() {
    const Lock lock(mutex_);
    for (std::size_t vector = 256; vector-- > 0;) {
      if (!requested_[vector]) continue;
      requested_[vector] = false;
      return static_cast<std::uint8_t>(vector);
    }
    return std::nullopt;
  }
  void end_of_interrupt(std::uint8_t vector);

  // Messages that reached the processor, in order.
  [[nodiscard]] std::vector<MsiConfig> messages() const {
    const Lock lock(mutex_);
    return messages_;
  }
  [[nodiscard]] std::uint64_t gsis_taken() const {
    const Lock lock(mutex_);
    return gsis_.taken_count();
  }

 private:
  friend class FakeMsi;
  friend class FakePin;
  template <typename, typename>
  friend class FakeSource;
  template <typename, typename>
  friend class FakeGroup;

  struct Pin {
    std::optional<std::uint8_t> vector;
    TriggerMode mode = TriggerMode::kEdge;
    bool in_service = false;  // level: sent, and not yet acknowledged (Remote IRR)
    std::vector<FakePin*> users;
    std::vector<FakePin*> asserting;
  };

  // The only processor is that of APIC id 0 (Intel SDM, volume 3, 11.11.1: bits 12 to 19 of the address).
  void deliver(const MsiConfig& message) KEEL_REQUIRES(mutex_) {
    messages_.push_back(message);
    if ((message.address.value() >> 12 & 0xff) == 0) requested_[message.data & 0xff] = true;
  }
  void edge(Pin& pin) KEEL_REQUIRES(mutex_) {
    if (pin.vector && pin.mode == TriggerMode::kEdge) requested_[*pin.vector] = true;
  }
  void sample(Pin& pin) KEEL_REQUIRES(mutex_) {
    if (!pin.vector || pin.mode == TriggerMode::kEdge || pin.in_service || pin.asserting.empty()) return;
    pin.in_service = true;
    requested_[*pin.vector] = true;
  }

  mutable Mutex mutex_;  // everything below and all of the groups; no checker and no notifier's reader runs under it
  IdAllocator<Gsi> gsis_ KEEL_GUARDED_BY(mutex_);
  Pin pins_[kPins] KEEL_GUARDED_BY(mutex_);
  std::bitset<256> requested_ KEEL_GUARDED_BY(mutex_);
  std::vector<MsiConfig> messages_ KEEL_GUARDED_BY(mutex_);
};

}  // namespace keel::testing
