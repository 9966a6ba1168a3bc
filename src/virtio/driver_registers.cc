// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/virtio/driver_registers.h"

#include <utility>

namespace keel::detail {

using namespace virtio;

namespace {

constexpr std::uint64_t kTransportFeatures = kFeatureVersion1 | kFeatureIndirectDesc | kFeatureEventIdx;

constexpr std::uint64_t put_half(std::uint64_t whole, unsigned half, std::uint32_t value) {
  const unsigned shift = half * 32;
  return (whole & ~(0xffff'ffffull << shift)) | (std::uint64_t{value} << shift);
}

}  // namespace

DriverRegisters::DriverRegisters(VirtioDevice& device, const GuestMemory& memory, TransportSignals& signals)
    : device_(device), memory_(memory), signals_(signals) {
  const Lock lock(mutex_);
  for (std::size_t i = 0; i < device.queue_sizes().size(); ++i) queues_.push_back(default_queue(i));
}

DriverRegisters::Queue DriverRegisters::default_queue(std::size_t index) const {
  Queue queue;
  queue.layout.index = static_cast<std::uint16_t>(index);
  queue.layout.size = device_.queue_sizes()[index];
  return queue;
}

std::uint64_t DriverRegisters::offered() const {
  return (device_.features() & (kDeviceFeatureBits | kFeatureRingReset)) | kTransportFeatures;
}

std::uint8_t DriverRegisters::status() const {
  const Lock lock(mutex_);
  return static_cast<std::uint8_t>(status_ | (signals_.failed() ? kStatusNeedsReset : 0));
}

void DriverRegisters::set_status(std::uint8_t value) {
  const Lock lock(mutex_);
  if (value == 0) return reset();
  if ((status_ & ~value) != 0) return;  // 2.1.1: a driver clears no bit
  const auto added = static_cast<std::uint8_t>(value & ~status_);
  const auto asks = [added](std::uint8_t bit) { return (added & bit) != 0; };
  if (asks(kStatusFailed)) status_ |= kStatusFailed;
  if (has(kStatusFailed) || signals_.failed()) return;
  if (asks(kStatusAcknowledge)) status_ |= kStatusAcknowledge;
  if (asks(kStatusDriver) && has(kStatusAcknowledge)) status_ |= kStatusDriver;
  if (asks(kStatusFeaturesOk) && has(kStatusDriver) && features_acceptable()) status_ |= kStatusFeaturesOk;
  if (asks(kStatusDriverOk) && has(kStatusFeaturesOk)) start();
}

bool DriverRegisters::features_acceptable() const {
  return (features_ & ~offered()) == 0 && !beyond_ && (features_ & kFeatureVersion1) != 0 && device_.accepts(features_);
}

void DriverRegisters::start() {
  VirtioActivation activation{.features = features_, .queues = {}, .signals = &signals_};
  for (Queue& queue : queues_) activation.queues.push_back(std::move(queue.waiting));
  status_ |= kStatusDriverOk;
  signals_.driver_ready();
  if (const auto activated = device_.activate(std::move(activation)); !activated) {
    signals_.needs_reset(activated.error().message());
    return;
  }
  live_.store(true, std::memory_order_release);
  for (const Queue& queue : queues_) {
    if (queue.ready) signals_.call_again(queue.layout.index);
  }
}

void DriverRegisters::reset() {
  live_.store(false, std::memory_order_release);
  device_.reset();
  signals_.clear();
  status_ = 0;
  device_page_ = driver_page_ = selected_ = 0;
  features_ = 0;
  beyond_ = false;
  for (std::size_t i = 0; i < queues_.size(); ++i) queues_[i] = default_queue(i);
}

void DriverRegisters::select_device_features(std::uint32_t page) {
  const Lock lock(mutex_);
  device_page_ = page;
}

std::uint32_t DriverRegisters::device_features() const {
  const Lock lock(mutex_);
  return device_page_ < 2 ? static_cast<std::uint32_t>(offered() >> (32 * device_page_)) : 0;
}

void DriverRegisters::select_driver_features(std::uint32_t page) {
  const Lock lock(mutex_);
  driver_page_ = page;
}

void DriverRegisters::set_driver_features(std::uint32_t bits) {
  const Lock lock(mutex_);
  if (!has(kStatusDriver) || has(kStatusFeaturesOk)) return;
  if (driver_page_ < 2) {
    features_ = put_half(features_, driver_page_, bits);
  } else if (bits != 0) {
    beyond_ = true;
  }
}

void DriverRegisters::select_queue(std::uint32_t queue) {
  const Lock lock(mutex_);
  selected_ = queue;
}

const DriverRegisters::Queue* DriverRegisters::selected_queue() const {
  return selected_ < queues_.size() ? &queues_[selected_] : nullptr;
}

DriverRegisters::Queue* DriverRegisters::configurable_queue() {
  if (selected_ >= queues_.size() || !has(kStatusFeaturesOk) || has(kStatusFailed) || signals_.failed()) return nullptr;
  Queue& queue = queues_[selected_];
  return queue.ready || (has(kStatusDriverOk) && !queue.was_reset) ? nullptr : &queue;
}

std::uint16_t DriverRegisters::queue_size_max() const {
  const Lock lock(mutex_);
  return selected_ < queues_.size() ? device_.queue_sizes()[selected_] : std::uint16_t{0};
}

void DriverRegisters::set_queue_size(std::uint32_t size) {
  const Lock lock(mutex_);
  Queue* const queue = configurable_queue();
  // A size that cannot be is kept as 0, which set_queue_ready() refuses.
  if (queue != nullptr)
    queue->layout.size = static_cast<std::uint16_t>(size <= device_.queue_sizes()[selected_] ? size : 0);
}

void DriverRegisters::set_queue_part(Part part, Half half, std::uint32_t value) {
  const Lock lock(mutex_);
  Queue* const queue = configurable_queue();
  if (queue == nullptr) return;
  GuestAddress& address = part == Part::kDescriptors ? queue->layout.descriptors
                          : part == Part::kAvailable ? queue->layout.available
                                                     : queue->layout.used;
  address = GuestAddress(put_half(address.value(), half == Half::kHigh ? 1 : 0, value));
}

bool DriverRegisters::queue_ready() const {
  const Lock lock(mutex_);
  const Queue* const queue = selected_queue();
  return queue != nullptr && queue->ready;
}

void DriverRegisters::set_queue_ready(std::uint32_t value) {
  const Lock lock(mutex_);
  if (value == 0) {
    if (selected_ >= queues_.size() || !queues_[selected_].ready) return;
    if (live_.load(std::memory_order_relaxed)) device_.reset_queue(queues_[selected_].layout.index);
    queues_[selected_].ready = false;
    queues_[selected_].waiting.reset();
    return;
  }
  Queue* const queue = configurable_queue();
  if (value != 1 || queue == nullptr) return;
  auto made = VirtQueue::create(memory_, queue->layout, features_, signals_);
  if (!made) {
    signals_.needs_reset(made.error().within(fmt::format("queue {}", queue->layout.index)).message());
    return;
  }
  queue->ready = true;
  if (!has(kStatusDriverOk)) {
    queue->waiting = std::move(*made);
    return;
  }
  queue->was_reset = false;
  device_.restart_queue(queue->layout.index, std::move(*made));
  signals_.call_again(queue->layout.index);
}

void DriverRegisters::reset_queue() {
  const Lock lock(mutex_);
  if (selected_ >= queues_.size() || !live_.load(std::memory_order_relaxed) || (features_ & kFeatureRingReset) == 0 ||
      !queues_[selected_].ready) {
    return;
  }
  device_.reset_queue(queues_[selected_].layout.index);
  queues_[selected_] = default_queue(selected_);
  queues_[selected_].was_reset = true;
}

bool DriverRegisters::may_notify(std::uint32_t queue) const noexcept {
  return live_.load(std::memory_order_acquire) && queue < device_.queue_sizes().size();
}

bool DriverRegisters::may_configure() const {
  const Lock lock(mutex_);
  return has(kStatusDriver) && !has(kStatusFailed);
}

}  // namespace keel::detail
