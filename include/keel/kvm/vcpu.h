// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "keel/arch/x86_64/cpu_state.h"
#include "keel/arch/x86_64/cpuid.h"
#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/base/unique_fd.h"

struct kvm_run;

namespace keel::kvm {

enum class Direction : std::uint8_t { kRead, kWrite };

// Why the guest stopped running. Spans point into the area shared with the kernel and are valid until the next run():
// what a read wants is to be filled in before it.

// `count` accesses of `size` bytes (1, 2 or 4) to the same port, one after the other in `data`.
struct PioExit {
  Direction direction;
  PioAddress port;
  std::uint8_t size;
  std::uint32_t count;
  std::span<std::uint8_t> data;
};
// One access of data.size() bytes (1 to 8).
struct MmioExit {
  Direction direction;
  MmioAddress address;
  std::span<std::uint8_t> data;
};
// hlt; seen only where there is no in-kernel irqchip.
struct HaltExit {};
// kick(), or a signal to this thread.
struct InterruptedExit {};
// A triple fault.
struct ShutdownExit {};
// KVM cannot go on; `reason` says why in words, with the numbers.
struct FailureExit {
  std::string reason;
};

using Exit = std::variant<PioExit, MmioExit, HaltExit, InterruptedExit, ShutdownExit, FailureExit>;

// One virtual processor. All but kick() are for the one thread that runs it, or before it runs. Errors, where not said
// otherwise: kIo, which names the call that KVM refused. Source: Linux Documentation/virt/kvm/api.rst.
class Vcpu {
 public:
  Vcpu(Vcpu&& other) noexcept;
  Vcpu& operator=(Vcpu&&) = delete;
  Vcpu(const Vcpu&) = delete;
  Vcpu& operator=(const Vcpu&) = delete;
  ~Vcpu();

  // What the guest's CPUID says, before its first run(). At most 256 entries; error kInvalidArgument beyond.
  Result<void> set_cpuid(std::span<const x86_64::CpuidEntry> entries);
  // All registers at once, general and special. On error some may be set.
  Result<void> set_state(const x86_64::CpuState& state);
  // Real mode, flat 16-bit segments at 0, executing at `entry`: how tiny test guests start.
  Result<void> set_real_mode_entry(std::uint16_t entry);
  // The local APIC's LINT0 takes the PIC's interrupts and LINT1 the NMI, as the firmware of a PC leaves them.
  Result<void> set_local_interrupts();

  // Runs the guest until it needs us. Error: the system call failed other than by interruption.
  [[nodiscard]] Result<Exit> run();

  // Makes the running or the next run() return InterruptedExit, from any thread and any number of times. The caller
  // also sends the running thread a signal with a handler (install_kick_handler(), then pthread_kill with
  // kick_signal()), which ends an ioctl under way; the flag alone serves one that has not begun.
  void kick() noexcept;
  static int kick_signal() noexcept;
  // Installs a do-nothing handler for kick_signal() in this process, where the signal would otherwise end it. From any
  // thread, any number of times.
  static Result<void> install_kick_handler();

 private:
  friend class Vm;
  Vcpu(UniqueFd fd, kvm_run* run, std::size_t run_size) noexcept : fd_(std::move(fd)), run_(run), run_size_(run_size) {}
  Exit decode_exit() noexcept;

  UniqueFd fd_;
  kvm_run* run_;  // mapped, run_size_ bytes, shared with the kernel
  std::size_t run_size_;
};

}  // namespace keel::kvm
