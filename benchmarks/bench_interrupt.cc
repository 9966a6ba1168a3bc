// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// What it costs a device to interrupt the guest, and the guest to ring a device: eventfds against a system call that
// says it, or an exit, for each. On this host's KVM, with guests of a few instructions.

#include <pthread.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <thread>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "benchmarks/interleave.h"
#include "kvm/interrupt_guest.h"
#include "kvm/tiny_guest.h"
#include "keel/base/event_thread.h"
#include "keel/bus/doorbell_server.h"
#include "keel/bus/io_manager.h"
#include "keel/kvm/interrupts.h"
#include "keel/kvm/system.h"
#include "keel/kvm/vcpu.h"

namespace keel::bench {
namespace {

using testing::InterruptGuest;
using testing::need;

void print(Report& report, const std::vector<Figure>& figures, double scale) {
  for (const Figure& figure : figures)
    report.row({figure.name}, {figure.median_ns * scale, figure.minimum_ns * scale, figure.ratio});
}

// A guest that sleeps on a thread of its own, and every way to wake it.
class SleepingGuest {
 public:
  SleepingGuest() : loop_(need(EventThread::start("bench"))), interrupts_(guest_.vm.irq_calls(), loop_->loop()) {
    guest_.settle();
    guest_.program_pin(kLinePin, 0x40, TriggerMode::kLevel);
    guest_.program_pin(kEdgePin, 0x50, TriggerMode::kEdge);
    guest_.program_pin(kResampledPin, 0x80, TriggerMode::kLevel);
    need(kvm::Vcpu::install_kick_handler());
    line_ = need(interrupts_.wire("line", {.line = kLinePin, .trigger = TriggerMode::kLevel}));
    edge_ = need(interrupts_.wire("edge", {.line = kEdgePin, .trigger = TriggerMode::kEdge}));
    need(resampled_group_->allocate(1));
    need(resampled_group_->update(0, {.line = kResampledPin, .trigger = TriggerMode::kLevel}));
    need(resampled_group_->enable());
    resampled_ = need(resampled_group_->get(0));
    routed_ = one(*routed_group_, 0x60);
    unrouted_ = one(*unrouted_group_, 0x70);
    guest_.sleep();
    vcpu_ = std::thread([this] { run(); });
  }
  ~SleepingGuest() {
    over_ = true;
    guest_.vcpu.kick();
    ::pthread_kill(vcpu_.native_handle(), kvm::Vcpu::kick_signal());
    vcpu_.join();
  }

  // The guest's handler ends a level by the device's register, as a driver does.
  void raise_line() { need(line_->raise()); }
  void raise_resampled() { need(resampled_->raise()); }
  void pulse_edge() {
    need(edge_->raise());
    need(edge_->lower());
  }
  void send_routed() { need(routed_->trigger()); }
  void send_unrouted() { need(unrouted_->trigger()); }

  // Sends `count` interrupts, the next once the guest has served the last.
  template <typename Send>
  std::uint64_t wake(std::uint64_t count, Send send) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t served = served_.load();
      send();
      while (served_.load() == served) {
      }
    }
    return 0;
  }

 private:
  static constexpr Gsi kLinePin{10};
  static constexpr Gsi kResampledPin{11};
  static constexpr Gsi kEdgePin{4};

  static std::shared_ptr<MsiInterrupt> one(MsiGroup& group, std::uint8_t vector) {
    need(group.allocate(1));
    need(group.update(0, {.address = MmioAddress(0xfee0'0000), .data = vector}));
    need(group.enable());
    return need(group.get(0));
  }
  void run() {
    while (!over_) {
      const std::uint16_t port = guest_.step([this] {
        need(line_->lower());
        need(resampled_->lower());
      });
      if (port == InterruptGuest::kDonePort) served_.fetch_add(1);
    }
  }

  InterruptGuest guest_;
  std::unique_ptr<EventThread> loop_;
  kvm::Interrupts interrupts_;
  std::unique_ptr<LevelInterrupt> line_;
  std::unique_ptr<LevelInterrupt> edge_;
  std::unique_ptr<ResampledGroup> resampled_group_ = interrupts_.resampled_pin_group("resampled");
  std::shared_ptr<ResampledInterrupt> resampled_;
  std::unique_ptr<MsiGroup> routed_group_ = interrupts_.msi_group("routed");
  std::unique_ptr<MsiGroup> unrouted_group_ = interrupts_.unrouted_msi_group("unrouted");
  std::shared_ptr<MsiInterrupt> routed_;
  std::shared_ptr<MsiInterrupt> unrouted_;
  std::atomic<std::uint64_t> served_ = 0;
  std::atomic<bool> over_ = false;
  std::thread vcpu_;
};

void latency(Report& report) {
  constexpr std::uint64_t kCount = 50;
  SleepingGuest guest;
  const std::array contenders = {
      Contender{"KVM_IRQ_LINE", [&] { return guest.wake(kCount, [&] { guest.raise_line(); }); }},
      Contender{"irqfd, resample", [&] { return guest.wake(kCount, [&] { guest.raise_resampled(); }); }},
      Contender{"irqfd, edge", [&] { return guest.wake(kCount, [&] { guest.pulse_edge(); }); }},
      Contender{"KVM_SIGNAL_MSI", [&] { return guest.wake(kCount, [&] { guest.send_unrouted(); }); }},
      Contender{"irqfd, message", [&] { return guest.wake(kCount, [&] { guest.send_routed(); }); }},
  };
  report.section("an interrupt, from the device to the end of the guest's handler, us",
                 {"by", "median", "minimum", "ratio"});
  print(report, interleave(contenders, kCount, report.rounds()), 1e-3);
}

void throughput(Report& report) {
  constexpr std::uint64_t kCount = 2000;
  // Calls to a machine whose vCPU does not run, so that what is measured is the device's part alone.
  InterruptGuest machine;
  const auto loop = need(EventThread::start("bench"));
  const kvm::Interrupts interrupts(machine.vm.irq_calls(), loop->loop());
  machine.settle();
  machine.program_pin(Gsi(10), 0x40, TriggerMode::kLevel);
  machine.program_pin(Gsi(4), 0x50, TriggerMode::kEdge);
  const auto line = need(interrupts.wire("line", {.line = Gsi(10), .trigger = TriggerMode::kLevel}));
  const auto edge = need(interrupts.wire("edge", {.line = Gsi(4), .trigger = TriggerMode::kEdge}));
  const auto routed = interrupts.msi_group("routed");
  const auto unrouted = interrupts.unrouted_msi_group("unrouted");
  for (MsiGroup* group : {routed.get(), unrouted.get()}) {
    need(group->allocate(1));
    need(group->update(0, {.address = MmioAddress(0xfee0'0000), .data = 0x60}));
    need(group->enable());
  }
  const auto by_irqfd = need(routed->get(0));
  const auto by_call = need(unrouted->get(0));
  const auto times = [](auto&& send) {
    return [send] {
      for (std::uint64_t i = 0; i < kCount; ++i) send();
      return std::uint64_t{0};
    };
  };
  const std::array contenders = {
      Contender{"KVM_IRQ_LINE", times([&] {
                  need(line->raise());
                  need(line->lower());
                })},
      Contender{"irqfd, edge", times([&] {
                  need(edge->raise());
                  need(edge->lower());
                })},
      Contender{"KVM_SIGNAL_MSI", times([&] { need(by_call->trigger()); })},
      Contender{"irqfd, message", times([&] { need(by_irqfd->trigger()); })},
  };
  report.section("the device's part of an interrupt, ns", {"by", "median", "minimum", "ratio"});
  print(report, interleave(contenders, kCount, report.rounds()), 1);
}

// Counts its writes.
class Rung final : public DevicePio, public DeviceMmio {
 public:
  void pio_read(PioAddress, std::uint16_t, std::span<std::uint8_t>) override {}
  void pio_write(PioAddress, std::uint16_t, std::span<const std::uint8_t>) override { ++rings; }
  void mmio_read(MmioAddress, std::uint64_t, std::span<std::uint8_t>) override {}
  void mmio_write(MmioAddress, std::uint64_t, std::span<const std::uint8_t>) override { ++rings; }
  std::atomic<std::uint64_t> rings = 0;
};

// A guest that rings a doorbell so many times, in memory or at a port, then writes port 0x10, and so on.
class RingingGuest {
 public:
  static constexpr MmioAddress kMemory{0xd'0000};
  static constexpr PioAddress kPort{0x200};

  RingingGuest(std::vector<std::uint8_t> ring, std::uint16_t rings)
      : guest_(testing::Irqchip::kNone, program(ring, rings)), host_(guest_.vm.doorbells()) {
    need(io_.register_mmio(MmioRange::constant(0xd'0000, 0xd'0fff), device_, "bell"));
    need(io_.register_pio(PioRange::constant(0x200, 0x2ff), device_, "bell"));
  }

  template <typename A>
  void serve(DoorbellOn<A> doorbell, EventLoop& loop) {
    DoorbellServer server(*host_, loop, io_);
    std::get<ServedDoorbell<A>>(bells_) = need(server.serve(doorbell, device_));
  }

  // The same where nobody looks at the event: what it costs the guest's processor alone.
  template <typename A>
  void swallow(DoorbellOn<A> doorbell) {
    unserved_ = need(host_->bind(doorbell, event_));
  }

  // The rings of one round, until the device has seen the last, or an event for several.
  std::uint64_t round() {
    const std::uint64_t before = device_->rings;
    for (;;) {
      const kvm::Exit exit = guest_.run();
      if (const auto* mmio = std::get_if<kvm::MmioExit>(&exit)) {
        io_.mmio_write(mmio->address, mmio->data);
      } else if (const auto* pio = std::get_if<kvm::PioExit>(&exit)) {
        if (pio->port == PioAddress(0x10)) break;
        io_.pio_write(pio->port, pio->data);
      } else {
        return 1;
      }
    }
    while (!unserved_ && device_->rings == before) std::this_thread::yield();
    return 0;
  }

 private:
  static std::vector<std::uint8_t> program(const std::vector<std::uint8_t>& ring, std::uint16_t rings) {
    std::vector<std::uint8_t> code = {0xb8,
                                      0x00,
                                      0xd0,
                                      0x8e,
                                      0xd8,  // mov ax, 0xd000; mov ds, ax
                                      0xba,
                                      0x00,
                                      0x02,
                                      0x66,
                                      0x31,
                                      0xc0,  // mov dx, kPort; xor eax, eax
                                      0xb9,
                                      static_cast<std::uint8_t>(rings),
                                      static_cast<std::uint8_t>(rings >> 8)};  // mov cx, rings
    code.insert(code.end(), ring.begin(), ring.end());
    code.insert(code.end(), {0xe2, static_cast<std::uint8_t>(-2 - static_cast<int>(ring.size())),    // loop to the ring
                             0xe6, 0x10,                                                             // out 0x10, al
                             0xeb, static_cast<std::uint8_t>(-9 - static_cast<int>(ring.size()))});  // jmp to mov cx
    return code;
  }

  testing::TinyGuest guest_;
  IoManager io_;
  std::shared_ptr<Rung> device_ = std::make_shared<Rung>();
  std::unique_ptr<DoorbellHost> host_;
  EventFd event_ = need(EventFd::create());
  std::unique_ptr<DoorbellBinding> unserved_;
  std::tuple<ServedDoorbell<PioAddress>, ServedDoorbell<MmioAddress>> bells_;
};

// Rings by exits and by events, `rings` at a time.
void ring(Report& report, const char* title, std::uint16_t rings) {
  const std::vector<std::uint8_t> store = {0x66, 0xa3, 0x00, 0x00};  // mov [0], eax
  const std::vector<std::uint8_t> out = {0x66, 0xef};                // out dx, eax
  const auto thread = need(EventThread::start("bench"));
  RingingGuest mmio_exit(store, rings);
  RingingGuest mmio_event(store, rings);
  RingingGuest mmio_unserved(store, rings);
  RingingGuest mmio_any(store, rings);
  RingingGuest pio_exit(out, rings);
  RingingGuest pio_event(out, rings);
  RingingGuest pio_unserved(out, rings);
  mmio_event.serve(MmioDoorbell{.address = RingingGuest::kMemory}, thread->loop());
  mmio_any.serve(MmioDoorbell{.address = RingingGuest::kMemory, .match = DoorbellMatch::kAnyWrite}, thread->loop());
  mmio_unserved.swallow(MmioDoorbell{.address = RingingGuest::kMemory});
  pio_event.serve(PioDoorbell{.address = RingingGuest::kPort}, thread->loop());
  pio_unserved.swallow(PioDoorbell{.address = RingingGuest::kPort});

  report.section(title, {"by", "median", "minimum", "ratio"});
  const std::array mmio = {
      Contender{"mmio, exit", [&] { return mmio_exit.round(); }},
      Contender{"ioeventfd", [&] { return mmio_event.round(); }},
      Contender{"unserved", [&] { return mmio_unserved.round(); }},
      Contender{"any write", [&] { return mmio_any.round(); }},
  };
  print(report, interleave(mmio, rings, report.rounds()), 1e-3);
  const std::array pio = {
      Contender{"pio, exit", [&] { return pio_exit.round(); }},
      Contender{"ioeventfd", [&] { return pio_event.round(); }},
      Contender{"unserved", [&] { return pio_unserved.round(); }},
  };
  print(report, interleave(pio, rings, report.rounds()), 1e-3);
}

}  // namespace
}  // namespace keel::bench

int main(int argc, char** argv) {
  using namespace keel::bench;
  try {
    Report report(argc, argv, "Interrupts and doorbells by eventfd, by system call and by exit. Needs /dev/kvm.");
    if (const auto system = keel::kvm::System::open(); !system) {
      std::fprintf(stderr, "not measured: %s\n", system.error().message().c_str());
      return 0;
    }
    throughput(report);
    latency(report);
    ring(report, "a doorbell, the guest's part while it rings on, us (unserved: nobody waits for the event)", 500);
    ring(report, "a doorbell, from the guest to its device and one exit more, us (unserved: the exit alone)", 1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
