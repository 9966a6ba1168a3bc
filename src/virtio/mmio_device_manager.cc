// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/virtio/mmio_device_manager.h"

#include <utility>

#include <fmt/ranges.h>

#include "keel/base/try.h"
#include "keel/device/plain_device.h"

namespace keel {
namespace {

std::string name_of(std::string_view type, std::string_view id) {
  return fmt::format("{}:{}", type, id);
}

// The windows that devices may have.
Result<MmioRange> usable(const MmioPlatformConfig& config) {
  if (config.first_window == FirstWindow::kUse) return config.windows;
  const auto second = config.windows.first().checked_add(MmioDeviceManager::kWindowSize);
  if (second && *second <= config.windows.last()) return MmioRange::from_bounds(*second, config.windows.last());
  return fail(ErrorCode::kInvalidArgument, "mmio {} has no window of {:#x} besides the first, which is to be left free",
              config.windows, MmioDeviceManager::kWindowSize);
}

Result<void> check_id(std::string_view type, std::string_view id) {
  if (!id.empty() && id.find_first_of("/:") == std::string_view::npos) return {};
  return fail(ErrorCode::kInvalidArgument, "{} \"{}\": an id is not empty and has no '/' and no ':'", type, id);
}

std::string describe(const MmioDeviceInfo& info) {
  return fmt::format("{} \"{}\" at {} with irq {}", info.type, info.id, info.window, info.irq);
}

}  // namespace

Result<MmioDeviceManager> MmioDeviceManager::create(DeviceManager& devices, const MmioPlatformConfig& config,
                                                    std::string bus_name) {
  KEEL_TRY(const MmioRange windows, usable(config));
  auto bus = std::make_shared<PlainDevice>(PlainDevice::Parts{.type = "mmio-bus", .role = DeviceRole::kBus});
  KEEL_TRY(DeviceHandle handle, devices.attach(std::move(bus), {.name = bus_name}));
  return MmioDeviceManager(devices, handle.keep(), std::move(bus_name), windows, config.irqs);
}

Result<MmioDeviceInfo> MmioDeviceManager::add(std::string_view id, std::shared_ptr<Device> device) {
  if (!device) return fail(ErrorCode::kInvalidArgument, "\"{}\": no device was given to add", id);
  const std::string type(device->type());
  KEEL_TRY_VOID(check_id(type, id));
  if (const auto there = info(type, id)) {
    return fail(ErrorCode::kAlreadyExists, "{} \"{}\" cannot be added: there is {} already; choose another id", type,
                id, keel::describe(*there));
  }
  ResourceConstraints constraints = {
      MmioConstraint{.size = kWindowSize, .alignment = kWindowSize, .within = windows_},
      LegacyIrqConstraint{.within = irqs_},
  };
  // Two threads that add the same at once both get here, and one of them is told so by the tree.
  KEEL_TRY(DeviceHandle handle,
           devices_->attach(std::move(device),
                            {.name = name_of(type, id), .parent = bus_, .constraints = std::move(constraints)}));
  handle.keep();
  return info(type, id);
}

Result<Detachment> MmioDeviceManager::remove(std::string_view type, std::string_view id) {
  KEEL_TRY(const MmioDeviceInfo there, info(type, id));
  return devices_->detach(there.instance);
}

Result<std::shared_ptr<Device>> MmioDeviceManager::device(std::string_view type, std::string_view id) const {
  KEEL_TRY(const MmioDeviceInfo there, info(type, id));
  return devices_->device(there.instance);
}

Result<MmioDeviceInfo> MmioDeviceManager::info(std::string_view type, std::string_view id) const {
  const auto all = infos();
  for (const MmioDeviceInfo& one : all) {
    if (one.type == type && one.id == id) return one;
  }
  std::vector<std::string> there;
  for (const MmioDeviceInfo& one : all) there.push_back(fmt::format("{} \"{}\"", one.type, one.id));
  return fail(ErrorCode::kNotFound, "no {} \"{}\" is on \"{}\", which has {}", type, id, bus_name_,
              there.empty() ? "no device" : fmt::format("{}", fmt::join(there, ", ")));
}

std::vector<MmioDeviceInfo> MmioDeviceManager::infos() const {
  const PlatformView view = devices_->view();
  std::vector<MmioDeviceInfo> all;
  for (const DeviceView* child : view.children_of(bus_)) {
    const auto windows = child->resources.mmio();
    const auto irq = child->resources.legacy_irq();
    const std::size_t colon = child->name.rfind(':');
    // Whoever attaches something else to the bus through the DeviceManager has put it out of this view.
    if (windows.empty() || !irq || colon == std::string::npos) continue;
    all.push_back({.type = child->type,
                   .id = child->name.substr(colon + 1),
                   .instance = child->id,
                   .window = windows.front(),
                   .irq = *irq});
  }
  return all;
}

Result<void> insert_virtio_mmio(KernelCmdline& cmdline, const MmioDeviceInfo& info) {
  const std::uint64_t size = info.window.size();
  const std::string length = size % 1024 == 0 ? fmt::format("{}K", size / 1024) : fmt::format("{}", size);
  return cmdline.insert("virtio_mmio.device", fmt::format("{}@{}:{}", length, info.window.first(), info.irq));
}

}  // namespace keel
