// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/virtio/virtio_device.h"

#include <algorithm>

namespace keel {

void VirtioDevice::read_config(std::uint64_t /*offset*/, std::span<std::uint8_t> data) const {
  std::ranges::fill(data, std::uint8_t{0});
}

}  // namespace keel
