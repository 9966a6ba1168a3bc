// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "keel/base/range.h"
#include "keel/bus/device_io.h"

namespace keel {

// Whether a device answered. Nobody's access reads all ones and writes nowhere; it is never an error.
enum class Dispatch : std::uint8_t { kClaimed, kUnclaimed };

// The device interface and the name, in messages, of each kind of bus.
template <typename A>
struct BusTraits;
template <>
struct BusTraits<PioAddress> {
  using Device = DevicePio;
  static constexpr const char* kName = "pio";
};
template <>
struct BusTraits<MmioAddress> {
  using Device = DeviceMmio;
  static constexpr const char* kName = "mmio";
};
template <typename A>
using DeviceOn = typename BusTraits<A>::Device;

// One registered range: who answers there, under which name. A value; it keeps the device alive.
template <typename A>
class BusEntry {
 public:
  // Precondition: device is not null.
  BusEntry(Range<A> range, std::shared_ptr<DeviceOn<A>> device, std::string owner)
      : range_(range), device_(std::move(device)), owner_(std::move(owner)) {}

  [[nodiscard]] Range<A> range() const noexcept { return range_; }
  [[nodiscard]] const std::shared_ptr<DeviceOn<A>>& device() const noexcept { return device_; }
  // The name given at registration; for people, need not be unique.
  [[nodiscard]] const std::string& owner() const noexcept { return owner_; }

  // The device as the type it was made as, or null where it is another.
  template <typename T>
  [[nodiscard]] std::shared_ptr<T> device_as() const noexcept {
    return std::dynamic_pointer_cast<T>(device_);
  }

  // The same range served by the same device; the owner's name is a label and does not count.
  friend bool operator==(const BusEntry& a, const BusEntry& b) noexcept {
    return a.range_ == b.range_ && a.device_ == b.device_;
  }

 private:
  Range<A> range_;
  std::shared_ptr<DeviceOn<A>> device_;
  std::string owner_;
};

using PioEntry = BusEntry<PioAddress>;
using MmioEntry = BusEntry<MmioAddress>;

}  // namespace keel
