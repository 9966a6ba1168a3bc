// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "keel/base/mutex.h"
#include "keel/base/try.h"
#include "keel/virtio/virtio_device.h"

namespace keel {

// A virtio device that remembers what reaches it, in order, as lines of text. Two queues, of 8 and of 4 entries, and
// eight bytes of configuration, which count from 0x10. Any thread.
class FakeVirtioDevice final : public VirtioDevice {
 public:
  static constexpr std::uint64_t kFeatureA = 1;
  static constexpr std::uint64_t kFeatureB = 2;  // makes sense with A only
  static constexpr std::uint64_t kFeatureHigh = 1ull << 52;

  [[nodiscard]] virtio::DeviceId device_id() const noexcept override { return virtio::DeviceId::kEntropy; }
  [[nodiscard]] std::string_view type() const noexcept override { return "virtio-fake"; }
  [[nodiscard]] std::uint64_t features() const noexcept override {
    return kFeatureA | kFeatureB | kFeatureHigh | virtio::kFeatureRingReset | virtio::kFeatureAccessPlatform;
  }
  [[nodiscard]] bool accepts(std::uint64_t features) const noexcept override {
    return (features & kFeatureB) == 0 || (features & kFeatureA) != 0;
  }
  [[nodiscard]] std::span<const std::uint16_t> queue_sizes() const noexcept override { return kSizes; }

  void read_config(std::uint64_t offset, std::span<std::uint8_t> data) const override {
    const Lock lock(mutex_);
    for (std::size_t i = 0; i < data.size(); ++i)
      data[i] = offset + i < config_.size() ? config_[offset + i] : std::uint8_t{0};
  }
  void write_config(std::uint64_t offset, std::span<const std::uint8_t> data) override {
    const Lock lock(mutex_);
    for (std::size_t i = 0; i < data.size(); ++i)
      if (offset + i < config_.size()) config_[offset + i] = data[i];
  }
  [[nodiscard]] std::uint32_t config_generation() const override {
    const Lock lock(mutex_);
    return generation_;
  }
  [[nodiscard]] std::optional<MmioRange> shared_memory(std::uint8_t id) const override {
    return id == 3 ? std::optional(MmioRange::constant(0x12'3456'0000, 0x13'3456'0fff)) : std::nullopt;
  }

  Result<void> activate(VirtioActivation activation) override {
    const Lock lock(mutex_);
    std::string queues;
    for (const auto& queue : activation.queues) queues += queue ? fmt::format(" {}", queue->size()) : " none";
    calls_.push_back(fmt::format("activate features {:#x} queues{}", activation.features, queues));
    if (refuse_) return fail(ErrorCode::kIo, "the fake refuses");
    queues_ = std::move(activation.queues);
    signals_ = activation.signals;
    return {};
  }
  void reset() noexcept override {
    const Lock lock(mutex_);
    calls_.emplace_back("reset");
    queues_.clear();
    signals_ = nullptr;
  }
  void notify(std::uint16_t queue) override {
    const Lock lock(mutex_);
    calls_.push_back(fmt::format("notify {}", queue));
  }
  void reset_queue(std::uint16_t queue) noexcept override {
    const Lock lock(mutex_);
    calls_.push_back(fmt::format("reset queue {}", queue));
    queues_[queue].reset();
  }
  void restart_queue(std::uint16_t index, std::unique_ptr<VirtQueue> queue) override {
    const Lock lock(mutex_);
    calls_.push_back(fmt::format("restart queue {} of {}", index, queue->size()));
    queues_[index] = std::move(queue);
  }

  // The calls since the last time.
  [[nodiscard]] std::vector<std::string> take_calls() {
    const Lock lock(mutex_);
    return std::exchange(calls_, {});
  }
  void refuse_activation() {
    const Lock lock(mutex_);
    refuse_ = true;
  }
  // Null while there is none.
  [[nodiscard]] VirtQueue* queue(std::size_t index) const {
    const Lock lock(mutex_);
    return index < queues_.size() ? queues_[index].get() : nullptr;
  }
  [[nodiscard]] DriverSignals* signals() const {
    const Lock lock(mutex_);
    return signals_;
  }
  void change_config(std::uint8_t first_byte) {
    const Lock lock(mutex_);
    config_[0] = first_byte;
    ++generation_;
    if (signals_ != nullptr) signals_->config_changed();
  }

 private:
  static constexpr std::array<std::uint16_t, 2> kSizes = {8, 4};

  mutable Mutex mutex_;
  std::vector<std::string> calls_ KEEL_GUARDED_BY(mutex_);
  std::array<std::uint8_t, 8> config_ KEEL_GUARDED_BY(mutex_) = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17};
  std::uint32_t generation_ KEEL_GUARDED_BY(mutex_) = 7;
  std::vector<std::unique_ptr<VirtQueue>> queues_ KEEL_GUARDED_BY(mutex_);
  DriverSignals* signals_ KEEL_GUARDED_BY(mutex_) = nullptr;
  bool refuse_ KEEL_GUARDED_BY(mutex_) = false;
};

}  // namespace keel
