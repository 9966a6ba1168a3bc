// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/vm.h"

#include <linux/kvm.h>
#include <sys/mman.h>

#include <cerrno>
#include <memory>

#include "src/kvm/io_event.h"
#include "src/kvm/ioctl.h"
#include "src/kvm/irq_ioctls.h"
#include "keel/arch/x86_64/memory_map.h"
#include "keel/base/try.h"
#include "keel/kvm/vcpu.h"

namespace keel::kvm {

Result<void> Vm::map_memory(const GuestMemory& memory) {
  std::uint32_t slot = 0;
  for (const MemoryRegion& region : memory.regions()) {
    kvm_userspace_memory_region request = {};
    request.slot = slot++;
    request.guest_phys_addr = region.range.first().value();
    request.memory_size = region.range.size();
    request.userspace_addr = reinterpret_cast<std::uintptr_t>(region.host);
    KEEL_TRY_VOID(call(fd_->get(), KVM_SET_USER_MEMORY_REGION, &request,
                       fmt::format("KVM_SET_USER_MEMORY_REGION {}", region.range)));
  }
  return {};
}

Result<void> Vm::create_irqchip() {
  std::uint64_t identity_map = x86_64::kKvmIdentityMap.value();
  KEEL_TRY_VOID(call(fd_->get(), KVM_SET_IDENTITY_MAP_ADDR, &identity_map, "KVM_SET_IDENTITY_MAP_ADDR"));
  KEEL_TRY_VOID(call(fd_->get(), KVM_SET_TSS_ADDR, x86_64::kKvmTss.value(), "KVM_SET_TSS_ADDR"));
  KEEL_TRY_VOID(call(fd_->get(), KVM_CREATE_IRQCHIP, 0, "KVM_CREATE_IRQCHIP"));
  kvm_pit_config pit = {};
  pit.flags = KVM_PIT_SPEAKER_DUMMY;  // port 0x61 too, or every calibration of the TSC would exit to us
  KEEL_TRY_VOID(call(fd_->get(), KVM_CREATE_PIT2, &pit, "KVM_CREATE_PIT2"));
  return {};
}

Result<Vcpu> Vm::create_vcpu(unsigned index) const {
  KEEL_TRY(const int number, call(fd_->get(), KVM_CREATE_VCPU, static_cast<unsigned long>(index),
                                  fmt::format("KVM_CREATE_VCPU {}", index)));
  UniqueFd fd(number);
  void* run = ::mmap(nullptr, run_size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (run == MAP_FAILED) return std::unexpected(system_error(errno, fmt::format("map vCPU {}", index)));
  return Vcpu(std::move(fd), static_cast<kvm_run*>(run), run_size_);
}

std::shared_ptr<IrqCalls> Vm::irq_calls() const {
  return std::make_shared<IrqIoctls>(fd_);
}

std::unique_ptr<DoorbellHost> Vm::doorbells() const {
  return std::make_unique<IoEventHost>(fd_);
}

}  // namespace keel::kvm
