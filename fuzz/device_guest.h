// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "fuzz/virtio_guest.h"
#include "support/fake_driver_signals.h"
#include "keel/base/check.h"
#include "keel/base/epoll_loop.h"
#include "keel/virtio/virtio_device.h"

namespace keel::fuzz {

// A device without a transport, its driver in the fuzzer's hands. Queues are of 8 entries.
class DeviceGuest {
 public:
  static constexpr std::uint16_t kQueueSize = 8;

  explicit DeviceGuest(std::shared_ptr<VirtioDevice> device, const GuestMemory& memory, EpollLoop& loop)
      : device_(std::move(device)), memory_(memory), loop_(loop) {}

  void bring_up(std::uint64_t wanted) {
    reset();
    const std::uint64_t features = (device_->features() & wanted) | virtio::kFeatureVersion1 |
                                   (wanted & (virtio::kFeatureIndirectDesc | virtio::kFeatureEventIdx));
    if (!device_->accepts(features)) return;
    VirtioActivation activation{.features = features, .queues = {}, .signals = &signals_};
    GuestArena arena(memory_, GuestRange::constant(0x100, 0x3fff));
    arena_ = std::make_unique<GuestArena>(arena);
    for (std::uint16_t i = 0; i < device_->queue_sizes().size(); ++i) {
      queues_.push_back(std::make_unique<DriverQueue>(*arena_, kQueueSize, i));
      activation.queues.push_back(VirtQueue::create(memory_, queues_.back()->layout(), features, signals_).value());
    }
    active_ = device_->activate(std::move(activation)).has_value();
    if (active_) features_ = features;
  }
  // Nothing of the device's touches memory after a reset.
  void reset() {
    device_->reset();
    active_ = false;
    features_ = 0;
    queues_.clear();
    const auto before = bytes();
    serve();
    for (std::uint16_t i = 0; i < device_->queue_sizes().size(); ++i) device_->notify(i);
    serve();
    check(bytes() == before, "memory is the guest's alone after a reset");
  }
  // What the loop's thread would do by now.
  void serve() {
    for (int i = 0; i < 10 && loop_.serve(std::chrono::milliseconds(0)).value_or(0) != 0; ++i) {
    }
    for (const std::uint16_t queue : signals_.take_again()) device_->notify(queue);
  }
  void access_config(FuzzedDataProvider& in) {
    std::vector<std::uint8_t> data(in.ConsumeIntegralInRange<std::size_t>(1, 80));
    const auto offset = in.PickValueInArray<std::uint64_t>({0, 6, 32, 58, ~0ull, in.ConsumeIntegral<std::uint64_t>()});
    if (in.ConsumeBool()) return device_->read_config(offset, data);
    std::ranges::generate(data, [&] { return in.ConsumeIntegral<std::uint8_t>(); });
    device_->write_config(offset, data);
  }

  // A queue to work with; null while the device is not active.
  [[nodiscard]] DriverQueue* some_queue(FuzzedDataProvider& in) {
    if (queues_.empty()) return nullptr;
    DriverQueue& queue = *queues_[in.ConsumeIntegral<std::uint8_t>() % queues_.size()];
    while (queue.take_used()) {
    }
    return &queue;
  }
  void notify(FuzzedDataProvider& in) { device_->notify(in.ConsumeIntegralInRange<std::uint16_t>(0, 9)); }
  [[nodiscard]] bool active() const noexcept { return active_; }
  // What was negotiated; 0 while the device is not active.
  [[nodiscard]] std::uint64_t features() const noexcept { return features_; }

 private:
  [[nodiscard]] std::vector<std::uint8_t> bytes() const {
    std::vector<std::uint8_t> all(0x10000);
    check(memory_.read(GuestAddress(0), all).has_value(), "all of it is RAM");
    return all;
  }

  FakeDriverSignals signals_;
  const std::shared_ptr<VirtioDevice> device_;
  const GuestMemory& memory_;
  EpollLoop& loop_;
  std::unique_ptr<GuestArena> arena_;
  std::vector<std::unique_ptr<DriverQueue>> queues_;
  bool active_ = false;
  std::uint64_t features_ = 0;
};

}  // namespace keel::fuzz
