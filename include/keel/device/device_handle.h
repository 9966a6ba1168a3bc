// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/device/detachment.h"

namespace keel {

namespace detail {
class ManagerCore;
}  // namespace detail

enum class Children : std::uint8_t {
  kRefuse,  // a bus with devices on it stays
  kRemove,  // they go with it
};

// Owns a device's place in the machine: detaches it, with its children, when dropped. Move-only. Speaks of this one
// attach: once the device was detached in another way it does nothing, whoever has its id then. Dropped while the
// device cannot leave (it moves, or a child is coming), it has the device leave when that is over. May outlive the
// manager.
class DeviceHandle {
 public:
  DeviceHandle() noexcept = default;
  DeviceHandle(DeviceHandle&& other) noexcept
      : core_(std::exchange(other.core_, {})), id_(other.id_), serial_(other.serial_) {}
  DeviceHandle& operator=(DeviceHandle&& other) noexcept {
    if (this == &other) return *this;
    drop();
    core_ = std::exchange(other.core_, {});
    id_ = other.id_;
    serial_ = other.serial_;
    return *this;
  }
  DeviceHandle(const DeviceHandle&) = delete;
  DeviceHandle& operator=(const DeviceHandle&) = delete;
  ~DeviceHandle() { drop(); }

  [[nodiscard]] InstanceId id() const noexcept { return id_; }
  // As DeviceManager::detach. After success the handle does nothing more.
  Result<Detachment> detach(Children children = Children::kRefuse);
  // Lets go without detaching: the device stays until somebody detaches it by its id, or the manager ends.
  InstanceId keep() noexcept {
    core_.reset();
    return id_;
  }

 private:
  friend class PendingAttach;
  DeviceHandle(std::weak_ptr<detail::ManagerCore> core, InstanceId id, std::uint64_t serial) noexcept
      : core_(std::move(core)), id_(id), serial_(serial) {}
  void drop() noexcept;

  std::weak_ptr<detail::ManagerCore> core_;
  InstanceId id_;
  std::uint64_t serial_ = 0;
};

}  // namespace keel
