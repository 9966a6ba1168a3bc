// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "keel/base/mutex.h"
#include "keel/virtio/driver_signals.h"

namespace keel {

// Counts what a device tells its driver. Any thread.
class FakeDriverSignals final : public DriverSignals {
 public:
  void used_buffers(std::uint16_t queue) override {
    const Lock lock(mutex_);
    ++interrupts_[queue];
  }
  void config_changed() override {
    const Lock lock(mutex_);
    ++config_changes_;
  }
  void needs_reset(std::string_view reason) noexcept override {
    const Lock lock(mutex_);
    reasons_.emplace_back(reason);
  }
  void call_again(std::uint16_t queue) override {
    const Lock lock(mutex_);
    again_.push_back(queue);
  }

  // Of that queue, so far.
  [[nodiscard]] std::size_t interrupts(std::uint16_t queue = 0) const {
    const Lock lock(mutex_);
    const auto found = interrupts_.find(queue);
    return found == interrupts_.end() ? 0 : found->second;
  }
  [[nodiscard]] std::size_t config_changes() const {
    const Lock lock(mutex_);
    return config_changes_;
  }
  // Why the device needs reset; empty while it does not.
  [[nodiscard]] std::vector<std::string> reasons() const {
    const Lock lock(mutex_);
    return reasons_;
  }
  // The queues to be called again, which is then done with.
  [[nodiscard]] std::vector<std::uint16_t> take_again() {
    const Lock lock(mutex_);
    return std::exchange(again_, {});
  }

 private:
  mutable Mutex mutex_;
  std::map<std::uint16_t, std::size_t> interrupts_ KEEL_GUARDED_BY(mutex_);
  std::size_t config_changes_ KEEL_GUARDED_BY(mutex_) = 0;
  std::vector<std::string> reasons_ KEEL_GUARDED_BY(mutex_);
  std::vector<std::uint16_t> again_ KEEL_GUARDED_BY(mutex_);
};

}  // namespace keel
