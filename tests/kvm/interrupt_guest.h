// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "kvm/tiny_guest.h"
#include "keel/arch/x86_64/cpu_state.h"
#include "keel/arch/x86_64/memory_map.h"
#include "keel/base/little_endian.h"
#include "keel/interrupt/interrupt_config.h"
#include "keel/kvm/vcpu.h"
#include "keel/kvm/vm.h"
#include "keel/memory/guest_memory.h"

namespace keel::testing {

// A guest in long mode that takes every vector, asks the host what to write where, and reports through ports:
//   idle:     reads kCommandPort for the address to write to (0: none) and then kValuePort for what
//   handler:  writes the vector to kVectorPort, reads kServicePort (the host plays the device), ends the interrupt at
//   its
//             local APIC, writes kDonePort
//   asleep:   after sleep(), halts between interrupts and asks for nothing any more
class InterruptGuest {
 public:
  static constexpr std::uint16_t kCommandPort = 0x10;
  static constexpr std::uint16_t kValuePort = 0x11;
  static constexpr std::uint16_t kVectorPort = 0x12;
  static constexpr std::uint16_t kServicePort = 0x13;
  static constexpr std::uint16_t kDonePort = 0x14;

  InterruptGuest() : vm(need(need(kvm::System::open()).create_vm())), memory(make_memory()), vcpu(make_vcpu()) {
    write(0xfee0'00f0, 0x1ff);  // spurious interrupt vector 255, APIC enabled
  }

  // Does all that was asked with write() before it returns.
  void settle() {
    while (!commands_.empty()) step();
    step();
  }
  // The guest writes `value` to its physical `address`, in its own time.
  void write(std::uint32_t address, std::uint32_t value) { commands_.push_back({address, value}); }
  void sleep() { commands_.push_back({kSleep, 0}); }
  // Programs a pin of the IOAPIC (82093AA datasheet, 3.2.4: redirection table).
  void program_pin(Gsi pin, std::uint8_t vector, TriggerMode mode) {
    const std::uint32_t entry = 0x10 + 2 * pin.value();
    write(0xfec0'0000, entry + 1);
    write(0xfec0'0010, 0);
    write(0xfec0'0000, entry);
    write(0xfec0'0010, vector | (mode == TriggerMode::kLevel ? 1u << 15 : 0u));
    settle();
  }

  // Runs the guest through one interrupt, `handler` in the place of its device. Nothing, where none comes within
  // `patience`; `idle` is called each time the guest looks for something to do.
  std::optional<std::uint8_t> take(const std::function<void()>& handler, std::chrono::milliseconds patience,
                                   const std::function<void()>& idle = {}) {
    const auto end = std::chrono::steady_clock::now() + patience;
    std::optional<std::uint8_t> vector;
    for (;;) {
      const std::uint16_t port = step(handler, &vector);
      if (port == kDonePort) return vector;
      if (port != kCommandPort) continue;
      if (idle) idle();
      if (std::chrono::steady_clock::now() >= end) return std::nullopt;
    }
  }

  // Runs to the next exit, serves it, and returns its port; MMIO goes to `on_mmio`.
  std::uint16_t step(const std::function<void()>& handler = {}, std::optional<std::uint8_t>* vector = nullptr) {
    kvm::Exit exit = need(vcpu.run());
    if (const auto* mmio = std::get_if<kvm::MmioExit>(&exit)) {
      if (on_mmio) on_mmio(*mmio);
      return 0xffff;
    }
    const auto* pio = std::get_if<kvm::PioExit>(&exit);
    if (pio == nullptr) return 0xffff;
    switch (pio->port.value()) {
      case kCommandPort:
        store_le(pio->data, commands_.empty() ? 0 : commands_.front().first);
        if (!commands_.empty() && commands_.front().first == kSleep) commands_.pop_front();
        break;
      case kValuePort:
        store_le(pio->data, commands_.front().second);
        commands_.pop_front();
        break;
      case kVectorPort:
        if (vector != nullptr) *vector = pio->data[0];
        break;
      case kServicePort:
        if (handler) handler();
        break;
      case kDonePort: break;
      default:
        if (on_pio) on_pio(*pio);
    }
    return pio->port.value();
  }

  kvm::Vm vm;
  GuestMemory memory;
  kvm::Vcpu vcpu;
  std::function<void(const kvm::MmioExit&)> on_mmio;
  std::function<void(const kvm::PioExit&)> on_pio;

 private:
  static constexpr std::uint32_t kSleep = 1;  // in the place of an address
  static constexpr std::uint64_t kMain = 0x1'0000;
  static constexpr std::uint64_t kIdt = 0x2'0000;
  static constexpr std::uint64_t kStubs = 0x3'0000;  // 16 bytes per vector
  static constexpr std::uint64_t kCommon = 0x3'2000;

  static GuestMemory make_memory() {
    const GuestRange ranges[] = {GuestRange::constant(0, 0x1f'ffff)};
    return need(GuestMemory::create(ranges));
  }

  void put(std::uint64_t address, std::span<const std::uint8_t> bytes) {
    need(memory.write(GuestAddress(address), bytes));
  }

  void put_code() {
    static constexpr std::uint8_t kMainCode[] = {
        0xb0, 0xff,  // mov al, 0xff
        0xe6, 0x21,  // out 0x21, al: mask the PIC pair
        0xe6, 0xa1,  // out 0xa1, al
        0xfb,        // sti
        0xe5, 0x10,  // in eax, kCommandPort
        0x85, 0xc0,  // test eax, eax
        0x74, 0xfa,  // jz to the in
        0xa8, 0x01,  // test al, 1
        0x75, 0x08,  // jnz to the hlt
        0x89, 0xc7,  // mov edi, eax
        0xe5, 0x11,  // in eax, kValuePort
        0x89, 0x07,  // mov [rdi], eax
        0xeb, 0xee,  // jmp to the in
        0xf4,        // hlt
        0xeb, 0xfd,  // jmp to the hlt
    };
    static constexpr std::uint8_t kCommonCode[] = {
        0xe4, 0x13,                          // in al, kServicePort
        0xb8, 0xb0, 0x00, 0xe0, 0xfe,        // mov eax, 0xfee000b0
        0xc7, 0x00, 0x00, 0x00, 0x00, 0x00,  // mov dword [rax], 0: end of interrupt
        0xe6, 0x14,                          // out kDonePort, al
        0x58,                                // pop rax
        0x48, 0xcf,                          // iretq
    };
    put(kMain, kMainCode);
    put(kCommon, kCommonCode);
    for (std::uint32_t vector = 0; vector < 256; ++vector) {
      const std::uint64_t stub = kStubs + vector * 16;
      std::uint8_t code[] = {0x50,                                     // push rax
                             0xb0, static_cast<std::uint8_t>(vector),  // mov al, vector
                             0xe6, 0x12,                               // out kVectorPort, al
                             0xe9, 0,
                             0,    0,
                             0};  // jmp to the common part
      store_le(std::span(code).subspan(6), kCommon - (stub + sizeof(code)));
      put(stub, code);
      // Interrupt gate, present (Intel SDM 3A 6.14.1).
      std::uint8_t gate[16] = {};
      store_le(std::span(gate).subspan(0, 2), stub & 0xffff);
      store_le(std::span(gate).subspan(2, 2), 0x10);
      store_le(std::span(gate).subspan(4, 2), 0x8e00);
      store_le(std::span(gate).subspan(6, 2), stub >> 16);
      put(kIdt + vector * 16, gate);
    }
  }

  kvm::Vcpu make_vcpu() {
    need(vm.create_irqchip());
    need(vm.map_memory(memory));
    put_code();
    kvm::Vcpu cpu = need(vm.create_vcpu(0));
    auto state =
        need(x86_64::make_boot_cpu_state(memory, {.entry = GuestAddress(kMain), .boot_params = x86_64::kBootParams}));
    state.special.idt = {.base = kIdt, .limit = 0xfff};
    state.general.rsp = x86_64::kBootStackTop.value();
    need(cpu.set_state(state));
    return cpu;
  }

  std::deque<std::pair<std::uint32_t, std::uint32_t>> commands_;
};

}  // namespace keel::testing
