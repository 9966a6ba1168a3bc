// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "keel/base/clock.h"
#include "keel/base/event_loop.h"
#include "keel/base/loop_timer.h"
#include "keel/base/mutex.h"
#include "keel/devices/entropy_source.h"
#include "keel/virtio/virtio_device.h"

namespace keel {

// How much of the host's work a guest may ask for.
struct EntropyLimit {
  std::uint64_t bytes_per_second = 1 << 20;
  std::uint64_t burst = 64 << 10;  // at once, after a pause; both at least 1
};

// Entropy device.
//
// Implements: VIRTIO 1.3, 5.4: one queue, whose buffers are filled with random bytes. A guest that wants more than its
//   limit waits, and nobody else does.
// Leaves out: nothing; there is neither a feature nor a configuration.
// What the guest needs: its driver (Linux: virtio-rng), which feeds /dev/hwrng and the kernel's pool.
class VirtioRng final : public VirtioDevice {
 public:
  static constexpr std::array<std::uint16_t, 1> kQueueSizes = {64};

  // Everything handed in outlives it; `loop` is the transport's. Errors: those of LoopTimer::create().
  [[nodiscard]] static Result<std::shared_ptr<VirtioRng>> create(EntropySource& source, const Clock& clock,
                                                                 EventLoop& loop, const EntropyLimit& limit = {});
  ~VirtioRng() override;

  [[nodiscard]] virtio::DeviceId device_id() const noexcept override { return virtio::DeviceId::kEntropy; }
  [[nodiscard]] std::string_view type() const noexcept override { return "virtio-rng"; }
  [[nodiscard]] std::span<const std::uint16_t> queue_sizes() const noexcept override { return kQueueSizes; }
  Result<void> activate(VirtioActivation activation) override;
  void reset() noexcept override;
  void notify(std::uint16_t queue) override;

 private:
  VirtioRng(EntropySource& source, const Clock& clock, const EntropyLimit& limit);
  void serve() KEEL_REQUIRES(mutex_);
  void refill_allowance() KEEL_REQUIRES(mutex_);
  std::uint32_t fill(WritableBuffers& buffers) KEEL_REQUIRES(mutex_);

  // Configuration and handles.
  EntropySource& source_;
  const Clock& clock_;
  const EntropyLimit limit_;
  std::unique_ptr<LoopTimer> timer_;  // set once, before anybody else has the device
  // State.
  Mutex mutex_;
  std::unique_ptr<VirtQueue> queue_ KEEL_GUARDED_BY(mutex_);
  DriverSignals* signals_ KEEL_GUARDED_BY(mutex_) = nullptr;
  std::uint64_t allowance_ KEEL_GUARDED_BY(mutex_);  // bytes that may be given now
  std::chrono::nanoseconds refilled_at_ KEEL_GUARDED_BY(mutex_);
};

}  // namespace keel
