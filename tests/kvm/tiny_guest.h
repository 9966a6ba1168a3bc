// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "keel/base/check.h"
#include "keel/kvm/system.h"
#include "keel/kvm/vcpu.h"
#include "keel/kvm/vm.h"
#include "keel/memory/guest_memory.h"

namespace keel::testing {

enum class Irqchip { kNone, kInKernel };

// The value of a result that the test needs to go on; ends the program with the error otherwise.
template <typename T>
T need(Result<T> result) {
  if (!result) panic(result.error().message());
  return std::move(*result);
}
inline void need(const Result<void>& result) {
  if (!result) panic(result.error().message());
}

// 64 KiB of RAM and one vCPU in real mode that starts at 0x1000: a guest of a few instructions, written as bytes.
class TinyGuest {
 public:
  static constexpr std::uint16_t kEntry = 0x1000;

  TinyGuest(Irqchip irqchip, const std::vector<std::uint8_t>& code)
      : vm(need(need(kvm::System::open()).create_vm())), memory(make_memory()), vcpu(make_vcpu(irqchip)) {
    put(kEntry, code);
    need(vcpu.set_real_mode_entry(kEntry));
  }

  void put(std::uint16_t address, const std::vector<std::uint8_t>& bytes) {
    need(memory.write(GuestAddress(address), bytes));
  }

  kvm::Exit run() { return need(vcpu.run()); }

  kvm::Vm vm;
  GuestMemory memory;
  kvm::Vcpu vcpu;

 private:
  static GuestMemory make_memory() {
    const GuestRange ranges[] = {GuestRange::constant(0, 0xffff)};
    return need(GuestMemory::create(ranges));
  }
  kvm::Vcpu make_vcpu(Irqchip irqchip) {
    if (irqchip == Irqchip::kInKernel) need(vm.create_irqchip());
    need(vm.map_memory(memory));
    return need(vm.create_vcpu(0));
  }
};

}  // namespace keel::testing
