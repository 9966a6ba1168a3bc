// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <optional>
#include <string>

#include "keel/base/address.h"
#include "keel/resource/constraints.h"

namespace keel {

// How a device is to be attached.
struct AttachRequest {
  // Not empty and unique among its siblings; without '/', double quotes and control characters.
  std::string name;
  std::optional<InstanceId> parent = std::nullopt;                // a bus; without: the top of the tree
  std::optional<ResourceConstraints> constraints = std::nullopt;  // instead of Device::constraints()
  std::optional<InstanceId> id = std::nullopt;                    // exactly this one; without: the lowest free
};

}  // namespace keel
