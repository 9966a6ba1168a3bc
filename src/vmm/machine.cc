// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/machine.h"

#include <latch>
#include <string_view>
#include <utility>

#include "src/vmm/platform.h"
#include "src/vmm/vcpu_thread.h"
#include "keel/arch/x86_64/cpu_state.h"
#include "keel/arch/x86_64/cpuid.h"
#include "keel/base/check.h"
#include "keel/base/try.h"
#include "keel/kvm/vcpu.h"

namespace keel {
namespace {

// Linux, native_machine_emergency_restart(): the word in the BIOS data area that tells a warm restart.
constexpr GuestAddress kResetFlag(0x472);
constexpr std::uint16_t kWarmReset = 0x1234;

}  // namespace

Machine::Machine(kvm::Vm vm, GuestMemory memory, DeviceThreads threads, EventFd ended_event, EventFd serial_room,
                 const Clock& clock)
    : clock_(clock),
      vm_(std::move(vm)),
      memory_(std::move(memory)),
      device_threads_(std::move(threads)),
      interrupts_(vm_.irq_calls(), device_threads_.front()->loop()),
      doorbells_(vm_.doorbells()),
      ended_event_(std::move(ended_event)),
      serial_room_(std::move(serial_room)) {}

Machine::~Machine() {
  stop("the machine was destroyed");
  wait();
}

Result<std::unique_ptr<Machine>> Machine::create(const kvm::System& system, GuestImage image, SerialOutput& console,
                                                 const Clock& clock, MachineBackends backends) {
  const unsigned cpus = image.config.cpus;
  if (cpus > system.max_vcpus()) {
    return fail(ErrorCode::kUnsupported, "{} vCPUs are more than this host's KVM gives a machine ({})", cpus,
                system.max_vcpus());
  }
  KEEL_TRY(kvm::Vm vm, system.create_vm());
  KEEL_TRY_VOID(vm.create_irqchip());
  KEEL_TRY_VOID(vm.map_memory(image.memory));
  DeviceThreads threads;
  std::vector<EventLoop*> loops;
  for (unsigned i = 0; i < device_thread_count(image.config); ++i) {
    KEEL_TRY(threads.emplace_back(), EventThread::start(fmt::format("devices {}", i)));
    loops.push_back(&threads.back()->loop());
  }
  KEEL_TRY(EventFd ended_event, EventFd::create());
  KEEL_TRY(EventFd serial_room, EventFd::create());
  std::unique_ptr<Machine> machine(new Machine(std::move(vm), std::move(image.memory), std::move(threads),
                                               std::move(ended_event), std::move(serial_room), clock));
  KEEL_TRY(machine->platform_, Platform::create({.interrupts = machine->interrupts_,
                                                 .doorbells = *machine->doorbells_,
                                                 .loops = std::move(loops),
                                                 .io = machine->io_,
                                                 .memory = machine->memory_,
                                                 .power = *machine,
                                                 .console = console,
                                                 .serial_room = machine->serial_room_,
                                                 .clock = clock},
                                                image.config, std::move(backends)));
  KEEL_TRY_VOID(machine->platform_->describe(image));
  KEEL_TRY_VOID(machine->create_vcpus(system, image.entry, cpus));
  return machine;
}

Result<void> Machine::create_vcpus(const kvm::System& system, const x86_64::BootEntry& entry, unsigned cpus) {
  KEEL_TRY(const auto host_cpuid, system.supported_cpuid());
  KEEL_TRY(const x86_64::CpuState boot_state, x86_64::make_boot_cpu_state(memory_, entry));
  for (unsigned index = 0; index < cpus; ++index) {
    KEEL_TRY(kvm::Vcpu vcpu, vm_.create_vcpu(index));
    auto cpuid = host_cpuid;
    x86_64::configure_cpuid(cpuid, {.index = index, .count = cpus}, system.tsc_deadline_timer());
    KEEL_TRY_VOID(vcpu.set_cpuid(cpuid));
    // The others wait in the kernel until the first one wakes them (INIT, SIPI).
    if (index == 0) {
      KEEL_TRY_VOID(vcpu.set_state(boot_state));
    }
    KEEL_TRY_VOID(vcpu.set_local_interrupts());
    vcpus_.push_back(std::make_unique<VcpuThread>(index, std::move(vcpu), *this));
  }
  return {};
}

Result<void> Machine::start() {
  KEEL_TRY_VOID(kvm::Vcpu::install_kick_handler());
  const Lock lock(mutex_);
  if (stage_ == Stage::kStarted) return fail(ErrorCode::kInvalidState, "this machine was started before");
  stage_ = Stage::kStarted;
  // One more than the vCPUs: none enters the guest before every thread is in its place to be kicked.
  start_gate_.emplace(static_cast<std::ptrdiff_t>(vcpus_.size() + 1));
  for (std::size_t i = 0; i < vcpus_.size(); ++i) {
    if (auto started = vcpus_[i]->start(*start_gate_); !started) {
      // Those that wait at the gate find the machine at its end.
      end_locked(EndReason::kFailed, started.error().message());
      start_gate_->count_down(static_cast<std::ptrdiff_t>(vcpus_.size() - i + 1));
      return started;
    }
    ++running_;
  }
  start_gate_->count_down();
  return {};
}

void Machine::stop(std::string reason) {
  end(EndReason::kStopped, std::move(reason));
}

Ending Machine::wait() {
  {
    const Lock lock(mutex_);
    if (stage_ == Stage::kCreated) return ended_.value_or(Ending{});
    while (!ended_) ended_changed_.wait(mutex_);
  }
  // Whoever ended the machine has kicked every thread by now, and nobody will again.
  const Lock joining(join_mutex_);
  for (const auto& vcpu : vcpus_) vcpu->join();
  const Lock lock(mutex_);
  return *ended_;
}

std::optional<std::size_t> Machine::type(std::span<const std::uint8_t> bytes) {
  return platform_->type(bytes);
}

void Machine::resize(TerminalSize size) {
  platform_->resize(size);
}

MachineMap Machine::map() const {
  return platform_->map();
}

ExitCounts Machine::exit_counts() const {
  ExitCounts sum;
  for (const auto& vcpu : vcpus_) sum += vcpu->counts();
  return sum;
}

std::vector<PortExits> Machine::exits_by_port() const {
  std::vector<const PortExitCounter*> counters;
  for (const auto& vcpu : vcpus_) counters.push_back(&vcpu->ports());
  return sum(counters);
}

IoLedger Machine::ledger() const {
  const Lock lock(mutex_);
  return final_ledger_ ? *final_ledger_ : io_.ledger();
}

// A thread that ends leaves its accesses to those of all ended threads, so the picture is taken before the first does.
void Machine::rest() {
  const Lock lock(mutex_);
  if (--running_ == 0) {
    final_ledger_ = io_.ledger();
    ended_changed_.notify_all();
  }
  while (!final_ledger_) ended_changed_.wait(mutex_);
}

std::optional<std::chrono::nanoseconds> Machine::first_instruction_at() const {
  return vcpus_.empty() ? std::nullopt : vcpus_.front()->first_run_at();
}

void Machine::end(EndReason reason, std::string detail) {
  const Lock lock(mutex_);
  end_locked(reason, std::move(detail));
}

void Machine::end_locked(EndReason reason, std::string detail) {
  if (ended_) return;
  ended_ = Ending{.reason = reason, .detail = std::move(detail)};
  ending_.store(true, std::memory_order_release);
  for (const auto& vcpu : vcpus_) vcpu->kick();
  const auto signalled = ended_event_.signal();
  check(signalled.has_value(), "the machine's own eventfd takes a signal");
  ended_changed_.notify_all();
}

void Machine::request_reset(std::string_view source) {
  const auto flag = memory_.read_object<std::uint16_t>(kResetFlag);
  if (flag && *flag == kWarmReset) {
    end(EndReason::kPanic, "the guest's kernel panicked");
  } else {
    end(EndReason::kReset, fmt::format("the guest restarted ({})", source));
  }
}

void Machine::request_power_off(std::string_view source) {
  end(EndReason::kPowerOff, fmt::format("the guest powered off ({})", source));
}

}  // namespace keel
