// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "keel/base/error.h"
#include "keel/bus/device_io.h"
#include "keel/interrupt/interrupt.h"
#include "keel/resource/constraints.h"
#include "keel/resource/resources.h"

namespace keel {

enum class DeviceRole : std::uint8_t {
  kDevice,
  kBus,          // a device that others may be attached to
  kReservation,  // takes its place and nothing else: no I/O, no interrupt lines, no memory
};
[[nodiscard]] std::string_view to_string(DeviceRole role) noexcept;

// What a device learns when it gets its place.
struct Assignment {
  InstanceId id;
  const DeviceResources& resources;  // in the order of the constraints; valid during the call
  // The wire of each legacy irq, in the same order; there until released() returns.
  std::span<const std::unique_ptr<LevelInterrupt>> lines;
};

// What a DeviceManager attaches. PlainDevice (keel/device/plain_device.h) makes one of any device of a bus.
//
// In order: constraints(), assign(), [ pio(), mmio(), memory(), I/O ], released(), and again from the start if it is
// attached again. They do not throw. The manager calls them holding no lock of its own, always as inside an I/O
// handler: they may manage devices in turn, and nothing in Keel waits there.
//
// On which thread: an attach calls them on the thread that attaches, wherever that is, and so it does released() where
// it fails, or is dropped, after assign(); no I/O has been inside then. So a device that attaches others inside its
// handler, under a lock of its own, has them called under that lock.
//
// A detach calls released() on the thread that detaches, or on one of the manager's own where that one is inside an I/O
// handler: never under a lock that a device's handler holds.
class Device {
 public:
  virtual ~Device() = default;

  // What kind it is, for people: "uart16550".
  [[nodiscard]] virtual std::string_view type() const noexcept = 0;
  [[nodiscard]] virtual DeviceRole role() const noexcept { return DeviceRole::kDevice; }
  // What it asks for where AttachRequest says nothing else.
  [[nodiscard]] virtual ResourceConstraints constraints() const { return {}; }

  // Told before its first I/O. An error refuses, and undoes the attach.
  virtual Result<void> assign(const Assignment& /*assignment*/) { return {}; }
  // After assign(): no I/O is inside it, and none will come. What it was assigned goes back when this returns.
  virtual void released() noexcept {}

  // Who answers at its trapped ranges. Null where it asks for none of that kind.
  [[nodiscard]] virtual std::shared_ptr<DevicePio> pio() { return nullptr; }
  [[nodiscard]] virtual std::shared_ptr<DeviceMmio> mmio() { return nullptr; }
  // Host memory behind its index-th memory-backed range: page-aligned, as large as the range, there until released().
  [[nodiscard]] virtual std::span<std::byte> memory(std::size_t /*index*/) { return {}; }
};

}  // namespace keel
