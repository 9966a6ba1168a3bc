// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/base/mutex.h"
#include "keel/base/range.h"
#include "keel/bus/io_manager.h"
#include "keel/device/attach_request.h"
#include "keel/device/detachment.h"
#include "keel/device/device.h"
#include "keel/device/device_handle.h"
#include "keel/device/machine_hooks.h"
#include "keel/device/pending_attach.h"
#include "keel/device/platform_view.h"
#include "keel/resource/system_allocator.h"

namespace keel {

// Who is at an address.
struct AddressHolder {
  InstanceId id;
  std::string path;
  std::shared_ptr<Device> device;
  Resource resource;  // the range that holds the address
};

// Gives every device its place in the machine: id, name, ranges, interrupts, memory slots and what the VMM's hooks add,
// all of it or none. Knows who is attached where.
//
// Every member may be called from any thread, from inside an I/O handler of any device, and from inside a Device's own
// functions, about any device. Where a device is in the middle of another such call the result is kInvalidState.
//
// Lock order: the manager's lock is a leaf; no device, hook, allocator or bus is called and nothing is waited for under
// it. Locks of the caller's come before those that devices and hooks take. Outside a handler a call that changes
// something may wait for handlers to return: hold no lock there that a handler takes.
class DeviceManager {
 public:
  // The manager becomes the only user of `spaces`. `io` and what `hooks` names outlive it and what it hands out.
  DeviceManager(SystemAllocator<Mutex> spaces, IoManager& io, MachineHooks hooks = {});
  // Detaches everything. Not from inside a handler, and with no thread inside a call.
  ~DeviceManager();
  DeviceManager(const DeviceManager&) = delete;
  DeviceManager& operator=(const DeviceManager&) = delete;

  // Does it all: constraints, allocation, assignment, registration, publication. After a failure, at whatever step,
  // everything is as it was. Errors of its own: kInvalidArgument (no device, a bad name, a parent that is no bus),
  // kNotFound (the parent), kAlreadyExists (the name among its siblings; the device under another name), kInvalidState
  // (parent or device is coming or going); then those of SystemAllocator::allocate and of PendingAttach.
  [[nodiscard]] Result<DeviceHandle> attach(std::shared_ptr<Device> device, AttachRequest request);
  // The same up to and including the allocation; the rest is PendingAttach's.
  [[nodiscard]] Result<PendingAttach> begin(std::shared_ptr<Device> device, AttachRequest request);

  // Takes a device out of the machine. When it returns, no new I/O reaches the device. When the Detachment is done,
  // none is inside and everything has gone back; outside a handler that is so on return. Errors change nothing:
  // kNotFound, kInvalidState (a bus with children and kRefuse; the device or a child is being attached, moved or
  // detached), and inside a handler kExhausted (the host gives no thread to end the detach on, or IoManager has too
  // many changes waiting for handlers to return; outside handlers neither happens).
  Result<Detachment> detach(InstanceId id, Children children = Children::kRefuse);

  // Moves one of a device's trapped ranges to start at `to`, in allocator, bus and steps at once; the device is not
  // told. The Completion says when no access is inside at the old address. Errors change nothing: kNotFound,
  // kInvalidArgument (passes the top), kOutOfBounds, kOverlap, kInvalidState, kUnsupported (memory-backed), what
  // the hooks' steps say, and inside a handler kExhausted (IoManager has too many changes waiting for handlers to
  // return).
  Result<Completion> move_pio(InstanceId id, PioRange range, PioAddress to);
  Result<Completion> move_mmio(InstanceId id, MmioRange range, MmioAddress to);

  // Attached devices. Error: kNotFound.
  [[nodiscard]] Result<InstanceId> find(std::string_view path) const;
  [[nodiscard]] Result<std::shared_ptr<Device>> device(InstanceId id) const;
  [[nodiscard]] Result<DeviceResources> resources(InstanceId id) const;
  // The device as the type it was made as, or null where it is another or absent.
  template <typename T>
  [[nodiscard]] std::shared_ptr<T> device_as(InstanceId id) const {
    const auto found = device(id);
    return found ? std::dynamic_pointer_cast<T>(*found) : nullptr;
  }
  // Reservations and memory-backed ranges included.
  [[nodiscard]] Result<AddressHolder> resolve(PioAddress address) const;
  [[nodiscard]] Result<AddressHolder> resolve(MmioAddress address) const;

  // Serves one access as IoManager does, and tells the VMM where nobody did: kNotFound, kOutOfBounds where it passes a
  // range's end. The guest's part is done then too: a read has filled `data` with ones, a write went nowhere.
  Result<void> serve_read(PioAddress address, std::span<std::uint8_t> data) const;
  Result<void> serve_read(MmioAddress address, std::span<std::uint8_t> data) const;
  Result<void> serve_write(PioAddress address, std::span<const std::uint8_t> data) const;
  Result<void> serve_write(MmioAddress address, std::span<const std::uint8_t> data) const;

  [[nodiscard]] PlatformView view() const;
  [[nodiscard]] SystemSnapshot spaces() const;

  // The same devices in the same places. Machines whose devices are alike, yet not the same objects, have equal views.
  friend bool operator==(const DeviceManager& a, const DeviceManager& b);

 private:
  const std::shared_ptr<detail::ManagerCore> core_;
};

}  // namespace keel
