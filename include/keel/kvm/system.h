// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "keel/arch/x86_64/cpuid.h"
#include "keel/base/error.h"
#include "keel/base/unique_fd.h"

namespace keel::kvm {

class Vm;

// The host's KVM: an open /dev/kvm that speaks API version 12 and offers what Keel needs (in-kernel irqchip, irqfd,
// ioeventfd, immediate exit). Everything of it may be called from any thread. Machines may outlive it. Source: Linux
// Documentation/virt/kvm/api.rst.
class System {
 public:
  // Errors say what to do: kNotFound where the device node is absent (module or firmware setting), kPermissionDenied
  // (which group opens it, or why none does), kUnsupported where it is no KVM or lacks a capability (which one), kIo.
  [[nodiscard]] static Result<System> open(const std::string& path = "/dev/kvm");

  // A machine without memory, interrupt controllers and vCPUs. Errors say what to do: kInvalidState where another
  // hypervisor holds the processors, kUnsupported where their virtualisation is absent or switched off, kExhausted
  // (descriptors, memory), kPermissionDenied, kIo.
  [[nodiscard]] Result<Vm> create_vm() const;

  // The CPUID leaves that KVM can give a guest on this host. Error kIo.
  [[nodiscard]] Result<std::vector<x86_64::CpuidEntry>> supported_cpuid() const;
  // Whether the in-kernel local APIC has that timer; supported_cpuid() never says so.
  [[nodiscard]] x86_64::TscDeadlineTimer tsc_deadline_timer() const noexcept;

  // How many vCPUs a VM may have at the most.
  [[nodiscard]] unsigned max_vcpus() const noexcept { return max_vcpus_; }

 private:
  System(UniqueFd fd, unsigned max_vcpus, std::size_t run_size) noexcept
      : fd_(std::move(fd)), max_vcpus_(max_vcpus), run_size_(run_size) {}

  UniqueFd fd_;
  unsigned max_vcpus_;
  std::size_t run_size_;  // bytes of the page area that KVM shares per vCPU
};

}  // namespace keel::kvm
