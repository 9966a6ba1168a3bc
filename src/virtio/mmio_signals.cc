// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/virtio/mmio_signals.h"

#include <utility>

#include "keel/virtio/virtio_mmio_spec.h"

namespace keel::detail {

void MmioSignals::interrupt(std::uint32_t bits) {
  if (!ready_) return;
  status_ |= bits;
  (void)line_.raise();
}

void MmioSignals::used_buffers(std::uint16_t /*queue*/) {
  const Lock lock(mutex_);
  interrupt(virtio_mmio::kInterruptUsedBuffer);
}

void MmioSignals::config_changed() {
  const Lock lock(mutex_);
  interrupt(virtio_mmio::kInterruptConfigChange);
}

void MmioSignals::needs_reset(std::string_view reason) noexcept {
  const Lock lock(mutex_);
  if (std::exchange(failed_, true)) return;
  last_failure_ = reason;
  interrupt(virtio_mmio::kInterruptConfigChange);
}

bool MmioSignals::failed() const {
  const Lock lock(mutex_);
  return failed_;
}

void MmioSignals::driver_ready() {
  const Lock lock(mutex_);
  ready_ = true;
}

void MmioSignals::clear() {
  const Lock lock(mutex_);
  ready_ = false;
  failed_ = false;
  status_ = 0;
  (void)line_.lower();
}

std::uint32_t MmioSignals::interrupt_status() const {
  const Lock lock(mutex_);
  return status_;
}

void MmioSignals::acknowledge(std::uint32_t bits) {
  const Lock lock(mutex_);
  status_ &= ~bits;
  (void)line_.lower();
  if (status_ != 0) (void)line_.raise();
}

std::string MmioSignals::last_failure() const {
  const Lock lock(mutex_);
  return last_failure_;
}

}  // namespace keel::detail
