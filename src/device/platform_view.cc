// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/platform_view.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace keel {

const DeviceView* PlatformView::find(InstanceId id) const noexcept {
  const auto found = std::ranges::find(devices, id, &DeviceView::id);
  return found == devices.end() ? nullptr : &*found;
}

std::vector<const DeviceView*> PlatformView::children_of(std::optional<InstanceId> parent) const {
  std::vector<const DeviceView*> children;
  for (const DeviceView& device : devices) {
    if (device.parent == parent) children.push_back(&device);
  }
  return children;
}

std::string to_string(const PlatformView& view) {
  std::string text;
  for (const DeviceView& device : view.devices) {
    fmt::format_to(std::back_inserter(text), "{:{}}{} {:?} {} {:?} at {:?}{}: {}\n", "", 2 * device.depth, device.id,
                   device.name, to_string(device.role), device.type, device.path,
                   device.parent ? fmt::format(" below {}", *device.parent) : "", to_string(device.resources));
  }
  return text;
}

}  // namespace keel
