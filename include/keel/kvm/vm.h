// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/base/event_fd.h"
#include "keel/base/unique_fd.h"
#include "keel/interrupt/interrupt.h"
#include "keel/memory/guest_memory.h"

namespace keel::kvm {

class Vcpu;

// One virtual machine. Everything of it may be called from any thread. Vcpus and interrupts made by it may outlive it:
// the kernel keeps the machine until its last descriptor is closed.
class Vm {
 public:
  // Gives the guest its RAM, one memory slot per region from slot 0 on. `memory` must stay until the last vCPU has
  // stopped; KVM writes to it from the kernel.
  Result<void> map_memory(const GuestMemory& memory);

  // The in-kernel local APICs, IOAPIC (24 pins, GSI 0 to 23), PIC pair and, at ports 0x40 to 0x43 and 0x61, the PIT.
  // Also places the three pages (TSS) and the one (identity map) that Intel hosts need below 4 GiB.
  // To be called once, before the first vCPU.
  Result<void> create_irqchip();

  // `index` is also the local APIC id.
  [[nodiscard]] Result<Vcpu> create_vcpu(unsigned index) const;

  // An edge-triggered pin as a wire: raise() from the lowered state sends one edge through an irqfd, lower() re-arms
  // it.
  [[nodiscard]] Result<std::unique_ptr<LevelInterrupt>> edge_pin(Gsi gsi) const;

  // A level-triggered pin as a wire, for one device alone.
  [[nodiscard]] Result<std::unique_ptr<LevelInterrupt>> level_pin(Gsi gsi) const;

  // Lets `event` raise an edge on `gsi` from the kernel, with no exit and no system call but the signal itself.
  Result<void> add_irqfd(const EventFd& event, Gsi gsi) const;
  Result<void> remove_irqfd(const EventFd& event, Gsi gsi) const;

 private:
  friend class System;
  Vm(UniqueFd fd, std::size_t run_size) noexcept : fd_(std::move(fd)), run_size_(run_size) {}

  UniqueFd fd_;
  std::size_t run_size_;
};

}  // namespace keel::kvm
