// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <utility>

#include "keel/bus/bus.h"

namespace keel {

namespace detail {
class GracePeriod;
}  // namespace detail

// Says when a change has reached every thread: no access that began before the change is still inside a device, so
// none is inside a device that the change removed, and none will enter. Copies speak of the same change.
// Callable from any thread at any time, also after the manager is gone.
class Completion {
 public:
  enum class Wait : std::uint8_t {
    kDone,
    kDeferred,  // called from inside an I/O handler (or Locked::with_lock), where waiting could wait for oneself
  };

  // A change that removed nothing is done.
  Completion() noexcept = default;
  explicit Completion(std::shared_ptr<detail::GracePeriod> period) noexcept : period_(std::move(period)) {}

  // Never blocks. Becomes true by itself, without anybody waiting.
  [[nodiscard]] bool done() const noexcept;
  // Returns once done, or at once with kDeferred from inside a handler. The caller must hold no lock that a device's
  // handler takes.
  Wait wait() const;

 private:
  std::shared_ptr<detail::GracePeriod> period_;
};

// What deregistering took away: the entry, and when its device is at rest. The device may still be serving accesses
// until then. Dropping a Removal early is fine: the manager keeps the device until no access is inside it.
template <typename A>
class Removal {
 public:
  Removal(BusEntry<A> entry, Completion completion) noexcept
      : entry_(std::move(entry)), completion_(std::move(completion)) {}

  [[nodiscard]] const BusEntry<A>& entry() const noexcept { return entry_; }
  [[nodiscard]] Range<A> range() const noexcept { return entry_.range(); }
  [[nodiscard]] const std::string& owner() const noexcept { return entry_.owner(); }
  [[nodiscard]] const std::shared_ptr<DeviceOn<A>>& device() const noexcept { return entry_.device(); }

  [[nodiscard]] const Completion& completion() const noexcept { return completion_; }
  [[nodiscard]] bool done() const noexcept { return completion_.done(); }
  Completion::Wait wait() const { return completion_.wait(); }

 private:
  BusEntry<A> entry_;
  Completion completion_;
};

using PioRemoval = Removal<PioAddress>;
using MmioRemoval = Removal<MmioAddress>;

}  // namespace keel
