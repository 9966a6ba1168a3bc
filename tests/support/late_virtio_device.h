// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "keel/virtio/virtio_device.h"

namespace keel {

// A device with one queue whose requests are served by a thread of its own, later and in another order, as a kernel's
// asynchronous I/O is: it fills the writable part with 0x5a. A reset waits for what is in the thread's hands.
class LateVirtioDevice final : public VirtioDevice {
 public:
  static constexpr std::array<std::uint16_t, 1> kSizes = {16};

  LateVirtioDevice() : worker_([this](const std::stop_token& stop) { work(stop); }) {}
  ~LateVirtioDevice() override {
    worker_.request_stop();
    changed_.notify_all();
  }

  [[nodiscard]] virtio::DeviceId device_id() const noexcept override { return virtio::DeviceId::kBlock; }
  [[nodiscard]] std::string_view type() const noexcept override { return "virtio-late"; }
  [[nodiscard]] std::span<const std::uint16_t> queue_sizes() const noexcept override { return kSizes; }

  Result<void> activate(VirtioActivation activation) override {
    const std::lock_guard lock(mutex_);
    queue_ = std::move(activation.queues[0]);
    return {};
  }
  void reset() noexcept override {
    std::unique_lock lock(mutex_);
    stopping_ = true;  // while it waits, nothing new is begun
    waiting_.clear();
    idle_.wait(lock, [this] { return !busy_; });
    queue_.reset();
    stopping_ = false;
  }
  void notify(std::uint16_t /*queue*/) override {
    const std::lock_guard lock(mutex_);
    if (!queue_ || stopping_) return;
    queue_->drain([this](DescriptorChain chain) { waiting_.push_back(std::move(chain)); });
    changed_.notify_all();
  }

 private:
  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
      DescriptorChain chain = std::move(waiting_.back());
      waiting_.pop_back();
      busy_ = true;
      lock.unlock();
      const auto size = static_cast<std::uint32_t>(chain.writable().size());
      chain.writable().write(std::vector<std::uint8_t>(size, 0x5a));  // under no lock, as the kernel does
      lock.lock();
      queue_->complete(std::move(chain), size);
      queue_->signal();
      busy_ = false;
      idle_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::condition_variable_any idle_;
  std::unique_ptr<VirtQueue> queue_;
  std::deque<DescriptorChain> waiting_;
  bool busy_ = false;
  bool stopping_ = false;
  std::jthread worker_;  // last: it uses the others
};

}  // namespace keel
