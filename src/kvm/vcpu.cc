// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/vcpu.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

#include "src/kvm/cpuid_list.h"
#include "src/kvm/ioctl.h"
#include "keel/base/try.h"

namespace keel::kvm {
namespace {

kvm_segment to_kernel(const x86_64::SegmentRegister& from) {
  kvm_segment to = {};
  to.base = from.base;
  to.limit = from.limit;
  to.selector = from.selector;
  to.type = from.type;
  to.present = from.present;
  to.dpl = from.descriptor_privilege;
  to.db = from.default_operation_size_32;
  to.s = from.code_or_data;
  to.l = from.long_mode_code;
  to.g = from.limit_in_pages;
  to.unusable = from.unusable;
  return to;
}

kvm_dtable to_kernel(const x86_64::DescriptorTable& from) {
  kvm_dtable to = {};
  to.base = from.base;
  to.limit = from.limit;
  return to;
}

kvm_regs to_kernel(const x86_64::GeneralRegisters& from) {
  kvm_regs to = {};
  to.rax = from.rax;
  to.rbx = from.rbx;
  to.rcx = from.rcx;
  to.rdx = from.rdx;
  to.rsi = from.rsi;
  to.rdi = from.rdi;
  to.rsp = from.rsp;
  to.rbp = from.rbp;
  to.r8 = from.r8;
  to.r9 = from.r9;
  to.r10 = from.r10;
  to.r11 = from.r11;
  to.r12 = from.r12;
  to.r13 = from.r13;
  to.r14 = from.r14;
  to.r15 = from.r15;
  to.rip = from.rip;
  to.rflags = from.rflags;
  return to;
}

std::string_view internal_error_name(std::uint32_t suberror) {
  switch (suberror) {
    case KVM_INTERNAL_ERROR_EMULATION: return "KVM could not emulate an instruction of the guest";
    case KVM_INTERNAL_ERROR_SIMUL_EX: return "the guest raised exceptions KVM could not deliver together";
    case KVM_INTERNAL_ERROR_DELIVERY_EV: return "an event could not be delivered to the guest";
    case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
      return "the processor left the guest for a reason KVM does not know";
    default: return "KVM reports an internal error";
  }
}

}  // namespace

Vcpu::Vcpu(Vcpu&& other) noexcept
    : fd_(std::move(other.fd_)), run_(std::exchange(other.run_, nullptr)), run_size_(other.run_size_) {}

Vcpu::~Vcpu() {
  if (run_ != nullptr) ::munmap(run_, run_size_);
}

Result<void> Vcpu::set_cpuid(std::span<const x86_64::CpuidEntry> entries) {
  if (entries.size() > CpuidList::kMaxEntries) {
    return fail(ErrorCode::kInvalidArgument, "{} CPUID entries; KVM takes {}", entries.size(), CpuidList::kMaxEntries);
  }
  CpuidList list(entries);
  KEEL_TRY_VOID(call(fd_.get(), kSetCpuid2, list.kernel_form(), "KVM_SET_CPUID2"));
  return {};
}

Result<void> Vcpu::set_state(const x86_64::CpuState& state) {
  kvm_sregs special = {};
  KEEL_TRY_VOID(call(fd_.get(), KVM_GET_SREGS, &special, "KVM_GET_SREGS"));
  special.cs = to_kernel(state.special.cs);
  special.ds = to_kernel(state.special.ds);
  special.es = to_kernel(state.special.es);
  special.fs = to_kernel(state.special.fs);
  special.gs = to_kernel(state.special.gs);
  special.ss = to_kernel(state.special.ss);
  special.tr = to_kernel(state.special.tr);
  special.ldt = to_kernel(state.special.ldt);
  special.gdt = to_kernel(state.special.gdt);
  special.idt = to_kernel(state.special.idt);
  special.cr0 = state.special.cr0;
  special.cr3 = state.special.cr3;
  special.cr4 = state.special.cr4;
  special.efer = state.special.efer;
  KEEL_TRY_VOID(call(fd_.get(), KVM_SET_SREGS, &special, "KVM_SET_SREGS"));
  kvm_regs general = to_kernel(state.general);
  KEEL_TRY_VOID(call(fd_.get(), KVM_SET_REGS, &general, "KVM_SET_REGS"));
  return {};
}

Result<void> Vcpu::set_real_mode_entry(std::uint16_t entry) {
  kvm_sregs special = {};
  KEEL_TRY_VOID(call(fd_.get(), KVM_GET_SREGS, &special, "KVM_GET_SREGS"));
  special.cs.base = 0;
  special.cs.selector = 0;
  KEEL_TRY_VOID(call(fd_.get(), KVM_SET_SREGS, &special, "KVM_SET_SREGS"));
  kvm_regs general = {};
  general.rip = entry;
  general.rflags = 2;  // bit 1 always reads as one
  KEEL_TRY_VOID(call(fd_.get(), KVM_SET_REGS, &general, "KVM_SET_REGS"));
  return {};
}

Result<void> Vcpu::set_local_interrupts() {
  // Intel SDM volume 3, "Local Vector Table": offset of the entry, delivery mode in bits 8 to 10.
  constexpr std::size_t kLvtLint0 = 0x350;
  constexpr std::size_t kLvtLint1 = 0x360;
  constexpr std::uint32_t kDeliveryModeMask = 7u << 8;
  constexpr std::uint32_t kExtInt = 7u << 8;
  constexpr std::uint32_t kNmi = 4u << 8;

  kvm_lapic_state apic = {};
  KEEL_TRY_VOID(call(fd_.get(), KVM_GET_LAPIC, &apic, "KVM_GET_LAPIC"));
  const auto set_mode = [&apic](std::size_t offset, std::uint32_t mode) {
    std::uint32_t entry = 0;
    std::memcpy(&entry, apic.regs + offset, sizeof(entry));
    entry = (entry & ~kDeliveryModeMask) | mode;
    std::memcpy(apic.regs + offset, &entry, sizeof(entry));
  };
  set_mode(kLvtLint0, kExtInt);
  set_mode(kLvtLint1, kNmi);
  KEEL_TRY_VOID(call(fd_.get(), KVM_SET_LAPIC, &apic, "KVM_SET_LAPIC"));
  return {};
}

Result<Exit> Vcpu::run() {
  if (::ioctl(fd_.get(), KVM_RUN, 0) < 0) {
    if (errno == EINTR || errno == EAGAIN) {
      // Read as well as written: with the kick that is taken back here, what its sender did before is seen.
      static_cast<void>(std::atomic_ref(run_->immediate_exit).exchange(0, std::memory_order_acq_rel));
      return Exit(InterruptedExit{});
    }
    return std::unexpected(system_error(errno, "KVM_RUN"));
  }
  return decode_exit();
}

Exit Vcpu::decode_exit() noexcept {
  switch (run_->exit_reason) {
    case KVM_EXIT_IO: {
      const auto& io = run_->io;
      auto* data = reinterpret_cast<std::uint8_t*>(run_) + io.data_offset;
      return PioExit{.direction = io.direction == KVM_EXIT_IO_IN ? Direction::kRead : Direction::kWrite,
                     .port = PioAddress(io.port),
                     .size = io.size,
                     .count = io.count,
                     .data = {data, std::size_t{io.size} * io.count}};
    }
    case KVM_EXIT_MMIO: {
      auto& mmio = run_->mmio;
      return MmioExit{.direction = mmio.is_write != 0 ? Direction::kWrite : Direction::kRead,
                      .address = MmioAddress(mmio.phys_addr),
                      .data = {mmio.data, mmio.len}};
    }
    case KVM_EXIT_HLT: return HaltExit{};
    case KVM_EXIT_INTR: return InterruptedExit{};
    case KVM_EXIT_SHUTDOWN: return ShutdownExit{};
    case KVM_EXIT_SYSTEM_EVENT:
      return FailureExit{fmt::format("KVM reports system event {}, which no guest here can cause",
                                     std::uint32_t{run_->system_event.type})};
    case KVM_EXIT_FAIL_ENTRY:
      return FailureExit{
          fmt::format("the processor refused to enter the guest (hardware reason {:#x}); its state is invalid",
                      std::uint64_t{run_->fail_entry.hardware_entry_failure_reason})};
    case KVM_EXIT_INTERNAL_ERROR:
      return FailureExit{fmt::format("{} (suberror {})", internal_error_name(run_->internal.suberror),
                                     std::uint32_t{run_->internal.suberror})};
    default: return FailureExit{fmt::format("KVM exit reason {} is none that Keel asked for", run_->exit_reason)};
  }
}

void Vcpu::kick() noexcept {
  std::atomic_ref(run_->immediate_exit).store(1, std::memory_order_release);
}

int Vcpu::kick_signal() noexcept {
  return SIGRTMIN;
}

Result<void> Vcpu::install_kick_handler() {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  // No SA_RESTART: ending the ioctl is what the signal is for.
  if (::sigaction(kick_signal(), &action, nullptr) < 0) return std::unexpected(system_error(errno, "sigaction"));
  return {};
}

}  // namespace keel::kvm
