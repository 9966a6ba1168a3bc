// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/device.h"

namespace keel {

std::string_view to_string(DeviceRole role) noexcept {
  switch (role) {
    case DeviceRole::kDevice: return "device";
    case DeviceRole::kBus: return "bus";
    case DeviceRole::kReservation: return "reservation";
  }
  return "device";
}

}  // namespace keel
