// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/base/unique_fd.h"
#include "keel/bus/doorbell.h"
#include "keel/kvm/irq_calls.h"
#include "keel/memory/guest_memory.h"

namespace keel::kvm {

class Vcpu;

// One virtual machine. Everything of it may be called from any thread. Vcpus and interrupts made by it may outlive it:
// the kernel keeps the machine until its last descriptor is closed.
class Vm {
 public:
  // Gives the guest its RAM, one memory slot per region from slot 0 on. `memory` must stay until the last vCPU has
  // stopped; KVM writes to it from the kernel. To be called once. Error kIo, which names the region that KVM refuses;
  // those before it are then mapped.
  Result<void> map_memory(const GuestMemory& memory);

  // The in-kernel local APICs, IOAPIC (24 pins, GSI 0 to 23), PIC pair and, at ports 0x40 to 0x43 and 0x61, the PIT.
  // Also places the three pages (TSS) and the one (identity map) that Intel hosts need below 4 GiB.
  // To be called once, before the first vCPU. Error kIo, which names the call; the machine is then good for nothing.
  Result<void> create_irqchip();

  // `index` is also the local APIC id: below System::max_vcpus(), and each at most once. Error kIo.
  [[nodiscard]] Result<Vcpu> create_vcpu(unsigned index) const;

  // The interrupt calls on this machine, once it has its irqchip; kvm::Interrupts makes interrupts of them. May
  // outlive this.
  [[nodiscard]] std::shared_ptr<IrqCalls> irq_calls() const;

  // Its ioeventfds, for a DoorbellServer. May outlive this.
  [[nodiscard]] std::unique_ptr<DoorbellHost> doorbells() const;

 private:
  friend class System;
  friend class IoEvent;
  Vm(UniqueFd fd, std::size_t run_size) : fd_(std::make_shared<const UniqueFd>(std::move(fd))), run_size_(run_size) {}

  std::shared_ptr<const UniqueFd> fd_;  // shared with what makes calls on it
  std::size_t run_size_;
};

}  // namespace keel::kvm
