// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "keel/base/little_endian.h"
#include "keel/base/mutex.h"
#include "keel/virtio/virtio_device.h"

// A device that gives every request back with its bytes reversed.
//
// Implements: one queue; a configuration of four bytes, the number of requests served.
// Leaves out: everything else; no such device type exists, so its number is from the range nobody was given.
// What the guest needs: a driver of its own.
class VirtioReverse final : public keel::VirtioDevice {
 public:
  static constexpr std::array<std::uint16_t, 1> kQueueSizes = {64};
  static constexpr std::size_t kLongest = 4096;

  // What it is.
  [[nodiscard]] keel::virtio::DeviceId device_id() const noexcept override { return keel::virtio::DeviceId{0xffff}; }
  [[nodiscard]] std::string_view type() const noexcept override { return "virtio-reverse"; }
  [[nodiscard]] std::span<const std::uint16_t> queue_sizes() const noexcept override { return kQueueSizes; }

  // Its configuration: any size at any offset, and another generation whenever it is another.
  void read_config(std::uint64_t offset, std::span<std::uint8_t> data) const override {
    std::array<std::uint8_t, 4> config{};
    {
      const keel::Lock lock(mutex_);
      keel::store_le_at<std::uint32_t>(config, 0, served_);
    }
    for (std::size_t i = 0; i < data.size(); ++i)
      data[i] = offset < config.size() && i < config.size() - offset ? config[offset + i] : std::uint8_t{0};
  }
  [[nodiscard]] std::uint32_t config_generation() const override {
    const keel::Lock lock(mutex_);
    return served_;
  }

  // Its life.
  keel::Result<void> activate(keel::VirtioActivation activation) override {
    const keel::Lock lock(mutex_);
    queue_ = std::move(activation.queues[0]);  // null where the driver did without
    signals_ = activation.signals;
    return {};
  }
  void reset() noexcept override {
    const keel::Lock lock(mutex_);  // nothing is under way outside it, so there is nothing to wait for
    queue_.reset();
    served_ = 0;
  }

  // Its work, on the event loop.
  void notify(std::uint16_t /*queue*/) override {
    const keel::Lock lock(mutex_);
    if (!queue_) return;  // late: the device was reset
    const std::uint32_t before = served_;
    // Clang does not see that the lock is held in here.
    queue_->drain([this](keel::DescriptorChain request) KEEL_NO_THREAD_SAFETY_ANALYSIS {
      const std::uint32_t written = reverse(request);
      ++served_;
      queue_->complete(std::move(request), written);
    });
    if (served_ != before) signals_->config_changed();
  }

 private:
  // As much as fits. The guest may change the bytes while they are read, so they are copied out once.
  static std::uint32_t reverse(keel::DescriptorChain& request) {
    std::vector<std::uint8_t> bytes(std::min<std::uint64_t>(request.readable().size(), kLongest));
    request.readable().read(bytes);
    std::ranges::reverse(bytes);
    return static_cast<std::uint32_t>(request.writable().write_some(bytes));
  }

  mutable keel::Mutex mutex_;
  std::unique_ptr<keel::VirtQueue> queue_ KEEL_GUARDED_BY(mutex_);
  keel::DriverSignals* signals_ KEEL_GUARDED_BY(mutex_) = nullptr;  // while there is a queue
  std::uint32_t served_ KEEL_GUARDED_BY(mutex_) = 0;
};
