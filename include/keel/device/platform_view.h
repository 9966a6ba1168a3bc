// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "keel/base/address.h"
#include "keel/device/device.h"
#include "keel/resource/resources.h"

namespace keel {

// One attached device.
struct DeviceView {
  InstanceId id;
  std::optional<InstanceId> parent;
  std::string name;
  std::string path;  // the names from the top down: "pci0/net0"
  std::string type;
  DeviceRole role = DeviceRole::kDevice;
  std::size_t depth = 0;  // 0 at the top
  DeviceResources resources;
  friend bool operator==(const DeviceView&, const DeviceView&) = default;
};

// The tree of a machine's devices as a value: a picture of one moment, to walk, compare, print and serialise. Parents
// before their children, siblings by instance id.
struct PlatformView {
  std::vector<DeviceView> devices;

  [[nodiscard]] const DeviceView* find(InstanceId id) const noexcept;
  // Directly below `parent`, or at the top.
  [[nodiscard]] std::vector<const DeviceView*> children_of(std::optional<InstanceId> parent) const;

  friend bool operator==(const PlatformView&, const PlatformView&) = default;
};

// Every fact of the view, a line per device, texts quoted and escaped: two views are equal exactly when theirs are.
[[nodiscard]] std::string to_string(const PlatformView& view);

}  // namespace keel
