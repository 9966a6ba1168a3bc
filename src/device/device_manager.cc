// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/device_manager.h"

#include <memory>
#include <utility>
#include <vector>

#include "src/device/manager_core.h"
#include "keel/base/check.h"
#include "keel/base/try.h"
#include "keel/bus/handler_scope.h"

namespace keel {

namespace {

// Why nobody served an access, of which the bus says `now`.
template <typename A>
Result<void> unserved(A address, const Result<BusEntry<A>>& now) {
  if (!now) return std::unexpected(now.error());
  return fail(ErrorCode::kNotFound, "{} {}: \"{}\" came too late for this access", BusTraits<A>::kName, address,
              now->owner());
}

}  // namespace

DeviceManager::DeviceManager(SystemAllocator<Mutex> spaces, IoManager& io, MachineHooks hooks)
    : core_(std::make_shared<detail::ManagerCore>(std::move(spaces), io, std::move(hooks))) {}

DeviceManager::~DeviceManager() {
  check(!in_io_handler(), "a DeviceManager is destroyed inside an I/O handler, where it cannot wait for its devices");
  core_->detach_all();
}

Result<DeviceHandle> DeviceManager::attach(std::shared_ptr<Device> device, AttachRequest request) {
  KEEL_TRY(PendingAttach attach, begin(std::move(device), std::move(request)));
  KEEL_TRY_VOID(attach.assign());
  return attach.publish();
}

Result<Detachment> DeviceManager::detach(InstanceId id, Children children) {
  return core_->detach({id}, children);
}

Result<Completion> DeviceManager::move_pio(InstanceId id, PioRange range, PioAddress to) {
  return core_->move(id, range, to);
}

Result<Completion> DeviceManager::move_mmio(InstanceId id, MmioRange range, MmioAddress to) {
  return core_->move(id, range, to);
}

Result<InstanceId> DeviceManager::find(std::string_view path) const {
  return core_->with_tree([path](const detail::DeviceTree& tree) { return tree.find(path); });
}

Result<std::shared_ptr<Device>> DeviceManager::device(InstanceId id) const {
  return core_->with_tree([id](const detail::DeviceTree& tree) -> Result<std::shared_ptr<Device>> {
    KEEL_TRY(const detail::Node* const node, tree.attached(id));
    return node->device;
  });
}

Result<DeviceResources> DeviceManager::resources(InstanceId id) const {
  return core_->with_tree([id](const detail::DeviceTree& tree) -> Result<DeviceResources> {
    KEEL_TRY(const detail::Node* const node, tree.attached(id));
    return node->resources;
  });
}

Result<AddressHolder> DeviceManager::resolve(PioAddress address) const {
  return core_->with_tree([address](const detail::DeviceTree& tree) { return tree.holder(address); });
}

Result<AddressHolder> DeviceManager::resolve(MmioAddress address) const {
  return core_->with_tree([address](const detail::DeviceTree& tree) { return tree.holder(address); });
}

Result<void> DeviceManager::serve_read(PioAddress address, std::span<std::uint8_t> data) const {
  if (core_->io().pio_read(address, data) == Dispatch::kClaimed) return {};
  return unserved(address, core_->io().check_pio(address, data.size()));
}

Result<void> DeviceManager::serve_read(MmioAddress address, std::span<std::uint8_t> data) const {
  if (core_->io().mmio_read(address, data) == Dispatch::kClaimed) return {};
  return unserved(address, core_->io().check_mmio(address, data.size()));
}

Result<void> DeviceManager::serve_write(PioAddress address, std::span<const std::uint8_t> data) const {
  if (core_->io().pio_write(address, data) == Dispatch::kClaimed) return {};
  return unserved(address, core_->io().check_pio(address, data.size()));
}

Result<void> DeviceManager::serve_write(MmioAddress address, std::span<const std::uint8_t> data) const {
  if (core_->io().mmio_write(address, data) == Dispatch::kClaimed) return {};
  return unserved(address, core_->io().check_mmio(address, data.size()));
}

PlatformView DeviceManager::view() const {
  return core_->with_tree([](const detail::DeviceTree& tree) { return tree.view(); });
}

SystemSnapshot DeviceManager::spaces() const {
  return core_->spaces().snapshot();
}

bool operator==(const DeviceManager& a, const DeviceManager& b) {
  // One lock at a time: two managers have no order.
  const auto picture = [](const DeviceManager& manager) {
    return manager.core_->with_tree([](const detail::DeviceTree& tree) {
      PlatformView view = tree.view();
      std::vector<std::shared_ptr<Device>> devices;
      for (const DeviceView& device : view.devices) devices.push_back(tree.attached(device.id).value()->device);
      return std::pair(std::move(view), std::move(devices));
    });
  };
  return picture(a) == picture(b);
}

}  // namespace keel
