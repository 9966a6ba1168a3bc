// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "keel/base/error.h"
#include "keel/base/range.h"
#include "keel/virtio/driver_signals.h"
#include "keel/virtio/virt_queue.h"
#include "keel/virtio/virtio_spec.h"

namespace keel {

// What a device gets when its driver is ready.
struct VirtioActivation {
  std::uint64_t features = 0;  // negotiated: a subset of what was offered, with kFeatureVersion1
  // By index, as many as queue_sizes(); null where the driver did not set the queue up.
  std::vector<std::unique_ptr<VirtQueue>> queues;
  DriverSignals* signals = nullptr;  // not null; until reset() returns
};

// A virtio device without its transport: what is behind the registers of virtio-mmio, or of virtio over PCI.
//
// Life: config reads at any time; activate() when the driver sets DRIVER_OK, notify() any number of times, reset(), and
// from the start. The transport sees to it that reset() comes between two activate(), once or more often.
//
// Threads: the functions may be called from several threads at once, so a device has a lock, which each of them takes;
// so do the callbacks of what the device watches, under a HandlerScope of their own: notify() is inside one already, so
// that devices may be managed from either. notify() comes on the event loop that the transport was given, which is
// where the device's backend is served too, and comes late at times: after a reset there are no queues, and it does
// nothing. The others come on vCPU threads and never wait for the loop. Nothing here blocks on a backend, but reset()
// and reset_queue() until the host has let go of guest memory.
class VirtioDevice {
 public:
  virtual ~VirtioDevice() = default;

  [[nodiscard]] virtual virtio::DeviceId device_id() const noexcept = 0;
  // For people and lookups: "virtio-rng".
  [[nodiscard]] virtual std::string_view type() const noexcept = 0;

  // Offered. The transport adds kFeatureVersion1, kFeatureIndirectDesc and kFeatureEventIdx; kFeatureRingReset is the
  // device's to offer. Does not change.
  [[nodiscard]] virtual std::uint64_t features() const noexcept { return 0; }
  // Whether a subset makes sense together (2.2.2); where not, FEATURES_OK does not stick.
  [[nodiscard]] virtual bool accepts(std::uint64_t /*features*/) const noexcept { return true; }
  // The largest size of each queue, powers of two. Does not change.
  [[nodiscard]] virtual std::span<const std::uint16_t> queue_sizes() const noexcept = 0;

  // The device's part of the configuration space, of any size at any offset. What is not there reads 0 and is not
  // written.
  virtual void read_config(std::uint64_t /*offset*/, std::span<std::uint8_t> data) const;
  virtual void write_config(std::uint64_t /*offset*/, std::span<const std::uint8_t> /*data*/) {}
  // Another number whenever the configuration is another (2.5). Change both under the same lock, then call
  // DriverSignals::config_changed().
  [[nodiscard]] virtual std::uint32_t config_generation() const { return 0; }

  // A shared memory region of that id (2.10), where the device has one.
  [[nodiscard]] virtual std::optional<MmioRange> shared_memory(std::uint8_t /*id*/) const { return std::nullopt; }

  // Starts. Every queue is notified once afterwards: buffers may be there already. An error is a device that needs
  // reset.
  virtual Result<void> activate(VirtioActivation activation) = 0;
  // Stops. When it returns, nothing of this life touches guest memory, the queues or the signals any more: the device
  // has waited for its I/O, or detached it from the guest's buffers. The configuration space is as at the start. Never
  // fails; of a device that is not active, it does nothing.
  virtual void reset() noexcept = 0;
  // There may be something in that queue, or not. `queue` is below queue_sizes().size().
  virtual void notify(std::uint16_t queue) = 0;

  // The same as reset() for one queue (2.6.1, 4.2.2.2: QueueReady); the others go on. The device is active. One that
  // knows no such thing stops altogether, and then is reset again for every further queue, and by the transport.
  virtual void reset_queue(std::uint16_t /*queue*/) noexcept { reset(); }
  // 2.6.1, for devices that offer kFeatureRingReset: the queue given anew after reset_queue().
  virtual void restart_queue(std::uint16_t /*index*/, std::unique_ptr<VirtQueue> /*queue*/) {}
};

}  // namespace keel
