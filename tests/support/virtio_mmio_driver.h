// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <cstdint>

#include "support/virtio_driver.h"
#include "keel/base/little_endian.h"
#include "keel/bus/device_io.h"
#include "keel/virtio/virtio_mmio_spec.h"
#include "keel/virtio/virtio_spec.h"

namespace keel {

// A driver's way to a virtio device by its registers: each step of VIRTIO 1.3, 3.1.1 on its own, so that a test can
// leave one out. Used by one thread.
//
//   VirtioMmioDriver driver(*transport);
//   driver.negotiate(virtio::kFeatureVersion1);
//   driver.set_up(queue);
//   driver.start();
class VirtioMmioDriver {
 public:
  // `device` outlives this.
  explicit VirtioMmioDriver(DeviceMmio& device) : device_(device) {}

  [[nodiscard]] std::uint32_t read(std::uint64_t offset) {
    std::array<std::uint8_t, 4> bytes{};
    device_.mmio_read(kBase, offset, bytes);
    return load_le_at<std::uint32_t>(bytes, 0);
  }
  void write(std::uint64_t offset, std::uint32_t value) {
    std::array<std::uint8_t, 4> bytes{};
    store_le(bytes, value);
    device_.mmio_write(kBase, offset, bytes);
  }
  template <typename T>
  [[nodiscard]] T config(std::uint64_t offset) {
    std::array<std::uint8_t, sizeof(T)> bytes{};
    device_.mmio_read(kBase, virtio_mmio::kConfig + offset, bytes);
    return load_le_at<T>(bytes, 0);
  }
  template <typename T>
  void set_config(std::uint64_t offset, T value) {
    std::array<std::uint8_t, sizeof(T)> bytes{};
    store_le(bytes, value);
    device_.mmio_write(kBase, virtio_mmio::kConfig + offset, bytes);
  }

  [[nodiscard]] std::uint32_t status() { return read(virtio_mmio::kStatus); }
  void add_status(std::uint32_t bits) { write(virtio_mmio::kStatus, status() | bits); }
  void reset() { write(virtio_mmio::kStatus, 0); }

  [[nodiscard]] std::uint64_t device_features() {
    write(virtio_mmio::kDeviceFeaturesSel, 1);
    const std::uint64_t high = read(virtio_mmio::kDeviceFeatures);
    write(virtio_mmio::kDeviceFeaturesSel, 0);
    return high << 32 | read(virtio_mmio::kDeviceFeatures);
  }
  void set_features(std::uint64_t features) {
    for (const std::uint32_t page : {0u, 1u}) {
      write(virtio_mmio::kDriverFeaturesSel, page);
      write(virtio_mmio::kDriverFeatures, static_cast<std::uint32_t>(features >> (32 * page)));
    }
  }
  // From reset to FEATURES_OK; false where that did not stick.
  bool negotiate(std::uint64_t features) {
    reset();
    add_status(virtio::kStatusAcknowledge);
    add_status(virtio::kStatusDriver);
    set_features(features);
    add_status(virtio::kStatusFeaturesOk);
    return (status() & virtio::kStatusFeaturesOk) != 0;
  }
  // As they lie in memory; not ready yet.
  void place(const VirtQueueLayout& layout) {
    write(virtio_mmio::kQueueSel, layout.index);
    write(virtio_mmio::kQueueSize, layout.size);
    place(virtio_mmio::kQueueDescLow, layout.descriptors);
    place(virtio_mmio::kQueueDriverLow, layout.available);
    place(virtio_mmio::kQueueDeviceLow, layout.used);
  }
  // Whether the queue is ready then.
  bool set_up(const DriverQueue& queue) {
    place(queue.layout());
    write(virtio_mmio::kQueueReady, 1);
    return read(virtio_mmio::kQueueReady) == 1;
  }
  void start() { add_status(virtio::kStatusDriverOk); }

  void notify(std::uint32_t queue) { write(virtio_mmio::kQueueNotify, queue); }
  // What the interrupt was for, acknowledged.
  std::uint32_t take_interrupts() {
    const std::uint32_t bits = read(virtio_mmio::kInterruptStatus);
    write(virtio_mmio::kInterruptAck, bits);
    return bits;
  }

 private:
  static constexpr MmioAddress kBase{0xd000'0000};

  void place(std::uint64_t low, GuestAddress address) {
    write(low, static_cast<std::uint32_t>(address.value()));
    write(low + 4, static_cast<std::uint32_t>(address.value() >> 32));
  }

  DeviceMmio& device_;
};

}  // namespace keel
