// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/device/device.h"
#include "keel/interrupt/interrupt.h"
#include "keel/resource/fault_injector.h"
#include "keel/resource/resources.h"

namespace keel {

// The parts of an attach that a VMM brings, because they are its hypervisor's. Each does one thing for one resource and
// hands back an object whose destructor undoes exactly that. All may be called from several threads at once and from
// inside I/O handlers, under no lock of the manager's; neither they nor their destructors wait for I/O.

// Turns an assigned GSI into the wire that the device gets instead of the number (for KVM: an irqfd).
class InterruptFactory {
 public:
  virtual ~InterruptFactory() = default;
  // `owner` is the device's path, for listings.
  [[nodiscard]] virtual Result<std::unique_ptr<LevelInterrupt>> connect(Gsi gsi, std::string_view owner) = 0;
};

// What a step did. Dropped to undo it: before the device is released, with I/O possibly still inside.
class AttachedPart {
 public:
  virtual ~AttachedPart() = default;
};

// Maps host memory into the guest (for KVM: KVM_SET_USER_MEMORY_REGION).
class MemoryMapper {
 public:
  virtual ~MemoryMapper() = default;
  // `host` is as large as the range.
  [[nodiscard]] virtual Result<std::unique_ptr<AttachedPart>> map(const BackedMmioResource& where,
                                                                  std::span<std::byte> host) = 0;
};

// Anything else that must be there while a device has a resource: ioeventfds at its doorbells, routes of its MSIs. What
// it needs of the device it asks of an interface of its own (dynamic_cast).
class AttachStep {
 public:
  virtual ~AttachStep() = default;
  // For errors: "ioeventfd".
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  // Called for every resource of a device that has been assigned, just before its I/O begins, and for the new place of
  // a range that moves while the old one, `moved_from`, is still served. Null where there is nothing to do.
  [[nodiscard]] virtual Result<std::unique_ptr<AttachedPart>> take(const Resource& resource, Device& device,
                                                                   const Resource* moved_from) = 0;
};

// None of it is owned; all of it outlives the manager and what it hands out.
struct MachineHooks {
  InterruptFactory* interrupts = nullptr;  // without: devices that ask for a legacy irq cannot be attached
  MemoryMapper* memory = nullptr;          // without: devices that ask for memory-backed MMIO cannot
  std::vector<AttachStep*> steps = {};     // taken in order, undone in reverse
  FaultInjector* faults = nullptr;         // asked before each step of the manager's own; for tests
};

}  // namespace keel
