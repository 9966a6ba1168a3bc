// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/virtio/virtio_mmio.h"

#include <algorithm>
#include <utility>

#include "src/virtio/driver_registers.h"
#include "src/virtio/mmio_signals.h"
#include "src/virtio/queue_kicks.h"
#include "keel/base/little_endian.h"
#include "keel/base/try.h"
#include "keel/virtio/virtio_mmio_spec.h"

namespace keel {

using namespace virtio_mmio;
using detail::DriverRegisters;

Result<std::shared_ptr<VirtioMmio>> VirtioMmio::create(std::shared_ptr<VirtioDevice> device, const GuestMemory& memory,
                                                       EventLoop& loop) {
  KEEL_TRY(auto kicks, detail::QueueKicks::create(*device, loop));
  return std::shared_ptr<VirtioMmio>(new VirtioMmio(std::move(device), memory, std::move(kicks)));
}

VirtioMmio::VirtioMmio(std::shared_ptr<VirtioDevice> device, const GuestMemory& memory,
                       std::unique_ptr<detail::QueueKicks> kicks)
    : device_(std::move(device)),
      kicks_(std::move(kicks)),
      signals_(std::make_unique<detail::MmioSignals>(*kicks_)),
      registers_(std::make_unique<DriverRegisters>(*device_, memory, *signals_)) {}

VirtioMmio::~VirtioMmio() {
  registers_->set_status(0);
}

std::string VirtioMmio::last_failure() const {
  return signals_->last_failure();
}

ResourceConstraints VirtioMmio::constraints() const {
  return {MmioConstraint{.size = kWindowSize, .alignment = kWindowSize}, LegacyIrqConstraint{}};
}

Result<void> VirtioMmio::assign(const Assignment& assignment) {
  if (assignment.lines.size() != 1) {
    return fail(ErrorCode::kInvalidArgument, "{}: virtio-mmio has one interrupt line, and was given {}", type(),
                assignment.lines.size());
  }
  return signals_->line().plug(*assignment.lines.front());
}

void VirtioMmio::released() noexcept {
  registers_->set_status(0);
  signals_->line().unplug();
}

EventLoop* VirtioMmio::doorbell_loop() const {
  return &kicks_->loop();
}

std::vector<MmioDoorbell> VirtioMmio::mmio_doorbells(MmioRange range) const {
  std::vector<MmioDoorbell> doorbells;
  if (range.last_offset() < kQueueNotify) return doorbells;
  const MmioAddress at(range.first().value() + kQueueNotify);
  for (std::size_t queue = 0; queue < device_->queue_sizes().size(); ++queue)
    doorbells.push_back({.address = at, .value = queue, .size = 4});
  return doorbells;
}

void VirtioMmio::mmio_read(MmioAddress /*base*/, std::uint64_t offset, std::span<std::uint8_t> data) {
  if (offset >= kConfig) {
    device_->read_config(offset - kConfig, data);
  } else if (data.size() != 4 || offset % 4 != 0) {
    std::ranges::fill(data, std::uint8_t{0xff});
  } else {
    store_le(data, read_register(offset));
  }
}

void VirtioMmio::mmio_write(MmioAddress /*base*/, std::uint64_t offset, std::span<const std::uint8_t> data) {
  if (offset >= kConfig) {
    if (registers_->may_configure()) device_->write_config(offset - kConfig, data);
  } else if (data.size() == 4 && offset % 4 == 0) {
    write_register(offset, load_le_at<std::uint32_t>(data, 0));
  }
}

std::uint32_t VirtioMmio::read_register(std::uint64_t offset) const {
  switch (offset) {
    case kMagicValue: return kMagic;
    case kVersion: return kVersion2;
    case kDeviceId: return std::to_underlying(device_->device_id());
    case kVendorId: return kVendor;
    case kDeviceFeatures: return registers_->device_features();
    case kQueueSizeMax: return registers_->queue_size_max();
    case kQueueReady: return registers_->queue_ready() ? 1 : 0;
    case kInterruptStatus: return signals_->interrupt_status();
    case kStatus: return registers_->status();
    case kShmLenLow:
    case kShmLenHigh:
    case kShmBaseLow:
    case kShmBaseHigh: return read_shared_memory(offset);
    case kQueueReset: return 0;  // done when the write returned
    case kConfigGeneration: return device_->config_generation();
    default: return 0;
  }
}

// 4.2.2: a region that is not there has length and base -1.
std::uint32_t VirtioMmio::read_shared_memory(std::uint64_t offset) const {
  const std::uint32_t id = shared_memory_selected_.load(std::memory_order_relaxed);
  const auto region = id <= 0xff ? device_->shared_memory(static_cast<std::uint8_t>(id)) : std::nullopt;
  if (!region) return 0xffff'ffff;
  const bool length = offset == kShmLenLow || offset == kShmLenHigh;
  const std::uint64_t value = length ? region->size() : region->first().value();
  const bool high = offset == kShmLenHigh || offset == kShmBaseHigh;
  return static_cast<std::uint32_t>(high ? value >> 32 : value);
}

void VirtioMmio::write_register(std::uint64_t offset, std::uint32_t value) {
  using Part = DriverRegisters::Part;
  using Half = DriverRegisters::Half;
  DriverRegisters& registers = *registers_;
  switch (offset) {
    case kDeviceFeaturesSel: return registers.select_device_features(value);
    case kDriverFeatures: return registers.set_driver_features(value);
    case kDriverFeaturesSel: return registers.select_driver_features(value);
    case kQueueSel: return registers.select_queue(value);
    case kQueueSize: return registers.set_queue_size(value);
    case kQueueReady: return registers.set_queue_ready(value);
    case kQueueNotify:
      if (registers.may_notify(value)) kicks_->notify(static_cast<std::uint16_t>(value));
      return;
    case kInterruptAck: return signals_->acknowledge(value);
    case kStatus: return registers.set_status(static_cast<std::uint8_t>(value));
    case kQueueDescLow: return registers.set_queue_part(Part::kDescriptors, Half::kLow, value);
    case kQueueDescHigh: return registers.set_queue_part(Part::kDescriptors, Half::kHigh, value);
    case kQueueDriverLow: return registers.set_queue_part(Part::kAvailable, Half::kLow, value);
    case kQueueDriverHigh: return registers.set_queue_part(Part::kAvailable, Half::kHigh, value);
    case kQueueDeviceLow: return registers.set_queue_part(Part::kUsed, Half::kLow, value);
    case kQueueDeviceHigh: return registers.set_queue_part(Part::kUsed, Half::kHigh, value);
    case kShmSel: shared_memory_selected_.store(value, std::memory_order_relaxed); return;
    case kQueueReset:
      if (value == 1) registers.reset_queue();
      return;
    default: return;
  }
}

}  // namespace keel
