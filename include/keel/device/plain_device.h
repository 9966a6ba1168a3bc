// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keel/device/device.h"
#include "keel/device/line_socket.h"

namespace keel {

// A Device put together from parts: makes a device of a bus, which knows nothing of managers, attachable. Without I/O
// faces it is a bus without registers, or a reservation.
class PlainDevice final : public Device {
 public:
  struct Parts {
    std::string type;
    DeviceRole role = DeviceRole::kDevice;
    ResourceConstraints constraints = {};
    std::shared_ptr<DevicePio> pio = nullptr;
    std::shared_ptr<DeviceMmio> mmio = nullptr;
    // Plugged into the assigned lines, in order; as many as there are legacy irqs. They outlive the device.
    std::vector<LineSocket*> lines = {};
  };

  explicit PlainDevice(Parts parts) noexcept : parts_(std::move(parts)) {}

  [[nodiscard]] std::string_view type() const noexcept override { return parts_.type; }
  [[nodiscard]] DeviceRole role() const noexcept override { return parts_.role; }
  [[nodiscard]] ResourceConstraints constraints() const override { return parts_.constraints; }
  // Error: kInvalidArgument where sockets and lines are not as many.
  Result<void> assign(const Assignment& assignment) override;
  void released() noexcept override;
  [[nodiscard]] std::shared_ptr<DevicePio> pio() override { return parts_.pio; }
  [[nodiscard]] std::shared_ptr<DeviceMmio> mmio() override { return parts_.mmio; }

 private:
  const Parts parts_;
};

}  // namespace keel
