// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "keel/bus/doorbell.h"
#include "keel/bus/doorbell_server.h"
#include "keel/device/machine_hooks.h"

namespace keel {

// The attach step that serves a device's doorbells. It asks the device's face on the range's bus, or else the Device
// itself, whether it is a DoorbellSource. A range that moves takes its doorbells along and loses no ring.
class DoorbellStep final : public AttachStep {
 public:
  // `server` outlives the step and its parts.
  explicit DoorbellStep(const DoorbellServer& server);
  ~DoorbellStep() override;

  [[nodiscard]] std::string_view name() const noexcept override { return "doorbells"; }
  // Errors besides DoorbellServer's: kOutOfBounds where the device names a doorbell outside the range.
  [[nodiscard]] Result<std::unique_ptr<AttachedPart>> take(const Resource& resource, Device& device,
                                                           const Resource* moved_from) override;

  // Those that are served now, by bus and address.
  [[nodiscard]] std::vector<AnyDoorbell> doorbells() const;

 private:
  class Parts;
  const DoorbellServer& server_;
  const std::shared_ptr<Parts> parts_;
};

}  // namespace keel
