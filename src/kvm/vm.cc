// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/vm.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <memory>

#include "src/kvm/ioctl.h"
#include "keel/arch/x86_64/memory_map.h"
#include "keel/base/try.h"
#include "keel/kvm/vcpu.h"

namespace keel::kvm {
namespace {

// The wire of an edge-triggered pin. Only the way up is an event, so only it reaches the kernel.
class EdgePin final : public LevelInterrupt {
 public:
  explicit EdgePin(EventFd event) noexcept : event_(std::move(event)) {}

  Result<void> raise() override {
    if (raised_.exchange(true, std::memory_order_acq_rel)) return {};
    return event_.signal();
  }
  Result<void> lower() override {
    raised_.store(false, std::memory_order_release);
    return {};
  }

 private:
  EventFd event_;
  std::atomic<bool> raised_ = false;
};

// The wire of a level-triggered pin that one device owns.
class LevelPin final : public LevelInterrupt {
 public:
  LevelPin(UniqueFd vm, Gsi gsi) noexcept : vm_(std::move(vm)), gsi_(gsi) {}

  Result<void> raise() override { return set(1); }
  Result<void> lower() override { return set(0); }

 private:
  Result<void> set(std::uint32_t level) const {
    kvm_irq_level request = {};
    request.irq = gsi_.value();
    request.level = level;
    KEEL_TRY_VOID(call(vm_.get(), KVM_IRQ_LINE, &request, fmt::format("KVM_IRQ_LINE for GSI {}", gsi_)));
    return {};
  }

  UniqueFd vm_;
  Gsi gsi_;
};

Result<void> change_irqfd(int vm, const EventFd& event, Gsi gsi, std::uint32_t flags) {
  kvm_irqfd request = {};
  request.fd = static_cast<std::uint32_t>(event.fd());
  request.gsi = gsi.value();
  request.flags = flags;
  KEEL_TRY_VOID(call(vm, KVM_IRQFD, &request, fmt::format("KVM_IRQFD for GSI {}", gsi)));
  return {};
}

}  // namespace

Result<void> Vm::map_memory(const GuestMemory& memory) {
  std::uint32_t slot = 0;
  for (const MemoryRegion& region : memory.regions()) {
    kvm_userspace_memory_region request = {};
    request.slot = slot++;
    request.guest_phys_addr = region.range.first().value();
    request.memory_size = region.range.size();
    request.userspace_addr = reinterpret_cast<std::uintptr_t>(region.host);
    KEEL_TRY_VOID(call(fd_.get(), KVM_SET_USER_MEMORY_REGION, &request,
                       fmt::format("KVM_SET_USER_MEMORY_REGION {}", region.range)));
  }
  return {};
}

Result<void> Vm::create_irqchip() {
  std::uint64_t identity_map = x86_64::kKvmIdentityMap.value();
  KEEL_TRY_VOID(call(fd_.get(), KVM_SET_IDENTITY_MAP_ADDR, &identity_map, "KVM_SET_IDENTITY_MAP_ADDR"));
  KEEL_TRY_VOID(call(fd_.get(), KVM_SET_TSS_ADDR, x86_64::kKvmTss.value(), "KVM_SET_TSS_ADDR"));
  KEEL_TRY_VOID(call(fd_.get(), KVM_CREATE_IRQCHIP, 0, "KVM_CREATE_IRQCHIP"));
  kvm_pit_config pit = {};
  pit.flags = KVM_PIT_SPEAKER_DUMMY;  // port 0x61 too, or every calibration of the TSC would exit to us
  KEEL_TRY_VOID(call(fd_.get(), KVM_CREATE_PIT2, &pit, "KVM_CREATE_PIT2"));
  return {};
}

Result<Vcpu> Vm::create_vcpu(unsigned index) const {
  KEEL_TRY(const int number, call(fd_.get(), KVM_CREATE_VCPU, static_cast<unsigned long>(index),
                                  fmt::format("KVM_CREATE_VCPU {}", index)));
  UniqueFd fd(number);
  void* run = ::mmap(nullptr, run_size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (run == MAP_FAILED) return std::unexpected(system_error(errno, fmt::format("map vCPU {}", index)));
  return Vcpu(std::move(fd), static_cast<kvm_run*>(run), run_size_);
}

Result<std::unique_ptr<LevelInterrupt>> Vm::edge_pin(Gsi gsi) const {
  KEEL_TRY(EventFd event, EventFd::create());
  KEEL_TRY_VOID(add_irqfd(event, gsi));
  return std::make_unique<EdgePin>(std::move(event));
}

Result<std::unique_ptr<LevelInterrupt>> Vm::level_pin(Gsi gsi) const {
  UniqueFd vm(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!vm) return std::unexpected(system_error(errno, "duplicate the VM's descriptor"));
  return std::make_unique<LevelPin>(std::move(vm), gsi);
}

Result<void> Vm::add_irqfd(const EventFd& event, Gsi gsi) const {
  return change_irqfd(fd_.get(), event, gsi, 0);
}

Result<void> Vm::remove_irqfd(const EventFd& event, Gsi gsi) const {
  return change_irqfd(fd_.get(), event, gsi, KVM_IRQFD_FLAG_DEASSIGN);
}

}  // namespace keel::kvm
