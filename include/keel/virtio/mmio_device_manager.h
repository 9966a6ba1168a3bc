// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/base/range.h"
#include "keel/device/device_manager.h"
#include "keel/device/kernel_cmdline.h"
#include "keel/resource/id_range.h"

namespace keel {

enum class FirstWindow : std::uint8_t {
  kUse,
  kLeaveFree,  // aarch64: guests there take the start of the area for something else
};

// What a platform of MMIO devices may use.
struct MmioPlatformConfig {
  MmioRange windows;  // each device gets 4 KiB of it, lowest free first
  IdRange<Gsi> irqs;  // and one of these, lowest free first
  FirstWindow first_window = FirstWindow::kUse;
};

// What the guest must be told of a device: by device tree, ACPI, or command line.
struct MmioDeviceInfo {
  std::string type;
  std::string id;
  InstanceId instance;
  MmioRange window;  // its address and its length
  Gsi irq;
  friend bool operator==(const MmioDeviceInfo&, const MmioDeviceInfo&) = default;
};

// A platform of MMIO devices: gives each a window and an irq, and knows it by its type and an id. A view of a
// DeviceManager with no books of its own: the devices are children of one bus there, named "type:id", and may be
// managed there as well. From any thread, as the DeviceManager.
class MmioDeviceManager {
 public:
  static constexpr std::uint64_t kWindowSize = 0x1000;

  // Attaches the bus. `devices` outlives this; the bus and what is on it stay when this goes. Errors: kInvalidArgument
  // (no window is left), and those of DeviceManager::attach().
  [[nodiscard]] static Result<MmioDeviceManager> create(DeviceManager& devices, const MmioPlatformConfig& config,
                                                        std::string bus_name = "virtio-mmio");

  // Attaches `device` under (device->type(), id): every device that answers to a window and has one interrupt line, as
  // VirtioMmio does. Errors: kAlreadyExists, with where the other one is; kInvalidArgument (no device, an id that is
  // empty or has a '/' or ':'); kExhausted where windows or irqs have run out, with who holds them; those of
  // DeviceManager::attach().
  Result<MmioDeviceInfo> add(std::string_view id, std::shared_ptr<Device> device);
  // As DeviceManager::detach(): window and irq are free again when the Detachment is done. Error: kNotFound.
  Result<Detachment> remove(std::string_view type, std::string_view id);

  // Error kNotFound, with what there is.
  [[nodiscard]] Result<std::shared_ptr<Device>> device(std::string_view type, std::string_view id) const;
  [[nodiscard]] Result<MmioDeviceInfo> info(std::string_view type, std::string_view id) const;
  // All of them, by instance.
  [[nodiscard]] std::vector<MmioDeviceInfo> infos() const;

 private:
  MmioDeviceManager(DeviceManager& devices, InstanceId bus, std::string bus_name, MmioRange windows, IdRange<Gsi> irqs)
      : devices_(&devices), bus_(bus), bus_name_(std::move(bus_name)), windows_(windows), irqs_(irqs) {}

  DeviceManager* devices_;
  InstanceId bus_;
  std::string bus_name_;
  MmioRange windows_;
  IdRange<Gsi> irqs_;
};

// "virtio_mmio.device=4K@0xd0000000:5" (Documentation/admin-guide/kernel-parameters.rst), for kernels with
// CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES. Distributions' have it not, and ask ACPI. Errors: those of insert().
Result<void> insert_virtio_mmio(KernelCmdline& cmdline, const MmioDeviceInfo& info);

}  // namespace keel
