// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keel/base/clock.h"
#include "keel/base/error.h"
#include "keel/base/event_fd.h"
#include "keel/base/event_thread.h"
#include "keel/base/mutex.h"
#include "keel/bus/doorbell.h"
#include "keel/bus/io_manager.h"
#include "keel/bus/ledger.h"
#include "keel/devices/console_port.h"
#include "keel/devices/power_control.h"
#include "keel/devices/uart16550.h"
#include "keel/kvm/interrupts.h"
#include "keel/kvm/system.h"
#include "keel/kvm/vm.h"
#include "keel/memory/guest_memory.h"
#include "keel/vmm/ending.h"
#include "keel/vmm/exit_counts.h"
#include "keel/vmm/guest_image.h"
#include "keel/vmm/machine_backends.h"
#include "keel/vmm/machine_map.h"
#include "keel/vmm/port_exits.h"

namespace keel {

class Platform;
class VcpuThread;

// A PC that runs one Linux kernel on KVM: RAM, vCPUs, in-kernel interrupt controllers and timer, and Keel's serial
// port, keyboard controller, clock and ACPI power management.
//
// Made, started once, ended once, destroyed. All functions may be called from any thread; PowerControl's from inside a
// device's I/O handler too.
class Machine final : private PowerControl {
 public:
  // Builds everything around `image`, with the disks and networks that its configuration names; no guest instruction
  // runs yet. `console` and `clock` outlive the machine.
  // Errors are the host's: what it lacks or refuses.
  [[nodiscard]] static Result<std::unique_ptr<Machine>> create(const kvm::System& system, GuestImage image,
                                                               SerialOutput& console, const Clock& clock,
                                                               MachineBackends backends = {});
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Starts one thread per vCPU. The machine then runs until the guest ends it, stop() does, or the host fails. To be
  // called once. Errors: kInvalidState the second time; kExhausted where the host has no thread left, and the machine
  // has then ended; kIo where the kick signal cannot be handled.
  Result<void> start();

  // Ends the machine from outside, as a pulled plug would. No effect on one that has ended.
  void stop(std::string reason);

  // Readable (poll) once the machine has ended.
  [[nodiscard]] int ended_fd() const noexcept { return ended_event_.fd(); }

  // Waits until the machine has ended and every vCPU thread has returned; says how it ended. Returns at once, with
  // kStopped, for a machine that was never started. Not to be called from a vCPU thread.
  Ending wait();

  // Types into the console device, or the serial port where the machine has none. Takes as much as fits; the rest is
  // the caller's to offer again when serial_room() turns readable. Nothing, and to be tried again soon, where a vCPU is
  // inside the serial port: it may be held up by its output.
  [[nodiscard]] std::optional<std::size_t> type(std::span<const std::uint8_t> bytes);
  // The terminal behind the console device has this size.
  void resize(TerminalSize size);
  [[nodiscard]] const EventFd& serial_room() const noexcept { return serial_room_; }

  [[nodiscard]] const GuestMemory& memory() const noexcept { return memory_; }
  [[nodiscard]] const IoManager& io() const noexcept { return io_; }
  [[nodiscard]] const kvm::Interrupts& interrupts() const noexcept { return interrupts_; }
  // What is where in it now.
  [[nodiscard]] MachineMap map() const;
  // Exits of all vCPUs so far, by kind. Exact once wait() has returned.
  [[nodiscard]] ExitCounts exit_counts() const;
  // Those of ports, one by one, the busiest first.
  [[nodiscard]] std::vector<PortExits> exits_by_port() const;
  // All accesses so far, by range and by vCPU. Once the machine has ended, as its last vCPU left it.
  [[nodiscard]] IoLedger ledger() const;
  // The host's monotonic time just before the first guest instruction; nothing before start().
  [[nodiscard]] std::optional<std::chrono::nanoseconds> first_instruction_at() const;

 private:
  friend class VcpuThread;

  using DeviceThreads = std::vector<std::unique_ptr<EventThread>>;  // one at least

  Machine(kvm::Vm vm, GuestMemory memory, DeviceThreads threads, EventFd ended_event, EventFd serial_room,
          const Clock& clock);

  Result<void> create_vcpus(const kvm::System& system, const x86_64::BootEntry& entry, unsigned cpus);
  // The first call decides; later ones change nothing.
  void end(EndReason reason, std::string detail) KEEL_EXCLUDES(mutex_);
  void end_locked(EndReason reason, std::string detail) KEEL_REQUIRES(mutex_);
  // By a vCPU's thread, before it ends: returns when all of them are here.
  void rest() KEEL_EXCLUDES(mutex_);
  [[nodiscard]] bool ending() const noexcept { return ending_.load(std::memory_order_acquire); }

  void request_reset(std::string_view source) override;
  void request_power_off(std::string_view source) override;

  // Dependencies.
  const Clock& clock_;
  kvm::Vm vm_;
  GuestMemory memory_;
  // Handles.
  IoManager io_;
  DeviceThreads device_threads_;
  kvm::Interrupts interrupts_;
  std::unique_ptr<DoorbellHost> doorbells_;
  EventFd ended_event_;
  EventFd serial_room_;
  std::unique_ptr<Platform> platform_;
  std::vector<std::unique_ptr<VcpuThread>> vcpus_;
  std::optional<std::latch> start_gate_;
  // State. Lock order: join_mutex_, then mutex_; a device's lock comes before both, since devices call PowerControl.
  enum class Stage : std::uint8_t { kCreated, kStarted };
  std::atomic<bool> ending_ = false;
  mutable Mutex mutex_;
  std::condition_variable_any ended_changed_;  // and final_ledger_
  Stage stage_ KEEL_GUARDED_BY(mutex_) = Stage::kCreated;
  std::optional<Ending> ended_ KEEL_GUARDED_BY(mutex_);
  std::size_t running_ KEEL_GUARDED_BY(mutex_) = 0;               // vCPU threads that have not come to rest
  std::optional<IoLedger> final_ledger_ KEEL_GUARDED_BY(mutex_);  // taken while they could still be told apart
  Mutex join_mutex_;                                              // one wait() at a time joins
};

}  // namespace keel
