// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "src/virtio/transport_signals.h"
#include "keel/base/mutex.h"
#include "keel/memory/guest_memory.h"
#include "keel/virtio/virtio_device.h"

namespace keel::detail {

// What a driver does to a device by way of any transport: the status machine (2.1, 3.1.1), feature negotiation (2.2),
// queue set-up (2.6, 4.2.3.2), reset. A driver's mistakes end here and never reach the device.
//
// Any thread. Lock order: the registers', the device's, the signals'. A reset holds the registers' lock until the
// device has let go; notifications do not take it.
class DriverRegisters {
 public:
  // Everything outlives this.
  DriverRegisters(VirtioDevice& device, const GuestMemory& memory, TransportSignals& signals);
  DriverRegisters(const DriverRegisters&) = delete;
  DriverRegisters& operator=(const DriverRegisters&) = delete;

  [[nodiscard]] std::uint8_t status() const;
  // 0 resets, and has done so on return. Bits out of order stay off.
  void set_status(std::uint8_t value);

  void select_device_features(std::uint32_t page);
  [[nodiscard]] std::uint32_t device_features() const;
  void select_driver_features(std::uint32_t page);
  void set_driver_features(std::uint32_t bits);

  // The queue that the functions below speak of; one that is not there has a largest size of 0, and takes nothing.
  void select_queue(std::uint32_t queue);
  [[nodiscard]] std::uint16_t queue_size_max() const;
  void set_queue_size(std::uint32_t size);
  enum class Part : std::uint8_t { kDescriptors, kAvailable, kUsed };
  enum class Half : std::uint8_t { kLow, kHigh };
  void set_queue_part(Part part, Half half, std::uint32_t value);
  [[nodiscard]] bool queue_ready() const;
  // 0 stops the queue, and has done so on return; while the device is active it comes back with the device's reset.
  void set_queue_ready(std::uint32_t value);
  // 2.6.1. Done on return.
  void reset_queue();

  // Whether the driver may notify that queue now: DRIVER_OK is set, and the device has a queue of that number.
  [[nodiscard]] bool may_notify(std::uint32_t queue) const noexcept;
  // Whether the driver may write the configuration space.
  [[nodiscard]] bool may_configure() const;

 private:
  struct Queue {
    VirtQueueLayout layout;
    bool ready = false;
    bool was_reset = false;              // by itself, in an active device
    std::unique_ptr<VirtQueue> waiting;  // ready, and not yet the device's
  };

  [[nodiscard]] std::uint64_t offered() const;
  [[nodiscard]] bool features_acceptable() const KEEL_REQUIRES(mutex_);
  void start() KEEL_REQUIRES(mutex_);
  void reset() KEEL_REQUIRES(mutex_);
  // The selected queue where it may be set up now, else null.
  [[nodiscard]] Queue* configurable_queue() KEEL_REQUIRES(mutex_);
  [[nodiscard]] const Queue* selected_queue() const KEEL_REQUIRES(mutex_);
  [[nodiscard]] Queue default_queue(std::size_t index) const;
  [[nodiscard]] bool has(std::uint8_t bits) const KEEL_REQUIRES(mutex_) { return (status_ & bits) == bits; }

  VirtioDevice& device_;
  const GuestMemory& memory_;
  TransportSignals& signals_;
  std::atomic<bool> live_ = false;  // DRIVER_OK
  mutable Mutex mutex_;
  std::uint8_t status_ KEEL_GUARDED_BY(mutex_) = 0;
  std::uint32_t device_page_ KEEL_GUARDED_BY(mutex_) = 0;
  std::uint32_t driver_page_ KEEL_GUARDED_BY(mutex_) = 0;
  std::uint64_t features_ KEEL_GUARDED_BY(mutex_) = 0;
  bool beyond_ KEEL_GUARDED_BY(mutex_) = false;  // the driver asked for a feature from bit 64 up, where none is
  std::uint32_t selected_ KEEL_GUARDED_BY(mutex_) = 0;
  std::vector<Queue> queues_ KEEL_GUARDED_BY(mutex_);
};

}  // namespace keel::detail
