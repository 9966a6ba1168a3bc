// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keel/base/error.h"
#include "keel/base/event_loop.h"
#include "keel/bus/device_io.h"
#include "keel/bus/doorbell.h"
#include "keel/device/device.h"
#include "keel/memory/guest_memory.h"
#include "keel/virtio/virtio_device.h"

namespace keel {

namespace detail {
class DriverRegisters;
class MmioSignals;
class QueueKicks;
}  // namespace detail

// A virtio device behind a window of registers.
//
// Implements: VIRTIO 1.3, 4.2 "Virtio Over MMIO", version 2: features by page, status machine, split queues, which stop
//   one by one, queue reset (where the device offers it), notification, interrupt status, configuration with
//   generation, shared memory regions.
// Leaves out: the legacy interface (4.2.4); notification data (not offered).
// What the guest needs: one 4 KiB window and one interrupt line, told by ACPI (LNRO0005), device tree or command line
//   (mmio_device_manager.h). Any interrupt trigger.
//
// Registers take aligned accesses of 4 bytes (4.2.2.2); others read all ones and write nowhere, and what the
// specification leaves free reads 0. The configuration space takes any. From any thread.
class VirtioMmio final : public Device,
                         public DeviceMmio,
                         public DoorbellSource,
                         public std::enable_shared_from_this<VirtioMmio> {
 public:
  // Notifications reach `device` on `loop`. `memory` and `loop` outlive this. Errors: those of EventFd::create() and
  // EventLoop::watch().
  [[nodiscard]] static Result<std::shared_ptr<VirtioMmio>> create(std::shared_ptr<VirtioDevice> device,
                                                                  const GuestMemory& memory, EventLoop& loop);
  // Resets the device; does not return while it is inside notify().
  ~VirtioMmio() override;

  [[nodiscard]] const std::shared_ptr<VirtioDevice>& device() const noexcept { return device_; }
  // Why the device needs, or last needed, reset; empty where it never did.
  [[nodiscard]] std::string last_failure() const;

  // Device.
  [[nodiscard]] std::string_view type() const noexcept override { return device_->type(); }
  // A window and any irq.
  [[nodiscard]] ResourceConstraints constraints() const override;
  // Error kInvalidArgument where it was not given one irq.
  Result<void> assign(const Assignment& assignment) override;
  // Resets the device: the driver is gone.
  void released() noexcept override;
  [[nodiscard]] std::shared_ptr<DeviceMmio> mmio() override { return shared_from_this(); }

  // DoorbellSource: one per queue, served on create()'s loop.
  [[nodiscard]] std::vector<MmioDoorbell> mmio_doorbells(MmioRange range) const override;
  [[nodiscard]] EventLoop* doorbell_loop() const override;

  // DeviceMmio.
  void mmio_read(MmioAddress base, std::uint64_t offset, std::span<std::uint8_t> data) override;
  void mmio_write(MmioAddress base, std::uint64_t offset, std::span<const std::uint8_t> data) override;

 private:
  VirtioMmio(std::shared_ptr<VirtioDevice> device, const GuestMemory& memory,
             std::unique_ptr<detail::QueueKicks> kicks);
  [[nodiscard]] std::uint32_t read_register(std::uint64_t offset) const;
  [[nodiscard]] std::uint32_t read_shared_memory(std::uint64_t offset) const;
  void write_register(std::uint64_t offset, std::uint32_t value);

  const std::shared_ptr<VirtioDevice> device_;
  const std::unique_ptr<detail::QueueKicks> kicks_;
  const std::unique_ptr<detail::MmioSignals> signals_;
  const std::unique_ptr<detail::DriverRegisters> registers_;
  std::atomic<std::uint32_t> shared_memory_selected_ = 0;
};

}  // namespace keel
