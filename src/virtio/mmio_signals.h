// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <string>

#include "src/virtio/queue_kicks.h"
#include "src/virtio/transport_signals.h"
#include "keel/base/mutex.h"
#include "keel/device/line_socket.h"

namespace keel::detail {

// virtio-mmio's interrupt: one line for everything, and a register that says why (4.2.2, InterruptStatus).
//
// The line is up while a bit of the register is, and goes down and up again when some bits are acknowledged and others
// are not. So a driver that acknowledges what it saw and then looks at its queues (as all do) misses nothing, whether
// the line is taken as a level or as an edge. An edge that comes while the guest has the pin masked is lost, as on
// hardware: Linux masks it for the moment in which it takes a processor offline (docs/decisions/virtio-interrupts.md).
class MmioSignals final : public TransportSignals {
 public:
  // `kicks` outlives this.
  explicit MmioSignals(QueueKicks& kicks) noexcept : kicks_(kicks) {}

  void used_buffers(std::uint16_t queue) override;
  void config_changed() override;
  void needs_reset(std::string_view reason) noexcept override;
  void call_again(std::uint16_t queue) override { kicks_.post(queue); }
  [[nodiscard]] bool failed() const override;
  void driver_ready() override;
  void clear() override;

  [[nodiscard]] std::uint32_t interrupt_status() const;
  void acknowledge(std::uint32_t bits);
  // Why the device needs, or last needed, reset.
  [[nodiscard]] std::string last_failure() const;
  [[nodiscard]] LineSocket& line() noexcept { return line_; }

 private:
  void interrupt(std::uint32_t bits) KEEL_REQUIRES(mutex_);

  QueueKicks& kicks_;
  LineSocket line_;
  mutable Mutex mutex_;  // a leaf but for the line's: bits and level change together
  std::uint32_t status_ KEEL_GUARDED_BY(mutex_) = 0;
  bool ready_ KEEL_GUARDED_BY(mutex_) = false;
  bool failed_ KEEL_GUARDED_BY(mutex_) = false;
  std::string last_failure_ KEEL_GUARDED_BY(mutex_);
};

}  // namespace keel::detail
