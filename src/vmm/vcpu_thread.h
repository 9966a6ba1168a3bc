// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <optional>
#include <thread>

#include "keel/base/error.h"
#include "keel/kvm/vcpu.h"
#include "keel/vmm/exit_counts.h"
#include "keel/vmm/port_exits.h"

namespace keel {

class Machine;

// Runs one vCPU on a thread of its own: exits in, dispatches out.
class VcpuThread {
 public:
  VcpuThread(unsigned index, kvm::Vcpu vcpu, Machine& machine) noexcept;

  // The thread waits for `all_started` before it enters the guest, so that kick() finds every thread. Error kExhausted
  // where the host has no thread left.
  Result<void> start(std::latch& all_started);
  // Makes the thread look whether the machine is ending. From any thread, once all have started.
  void kick() noexcept;
  void join();

  [[nodiscard]] ExitCounts counts() const noexcept;
  [[nodiscard]] const PortExitCounter& ports() const noexcept { return ports_; }
  [[nodiscard]] std::optional<std::chrono::nanoseconds> first_run_at() const noexcept;

 private:
  void run_until_end();
  void serve(kvm::Exit& exit);
  void serve(const kvm::PioExit& exit);
  void serve(const kvm::MmioExit& exit);
  // One writer, this thread; others read at any time.
  void count(ExitKind kind) noexcept;

  unsigned index_;
  kvm::Vcpu vcpu_;
  Machine& machine_;
  std::thread thread_;
  std::array<std::atomic<std::uint64_t>, kExitKindNames.size()> counts_ = {};
  PortExitCounter ports_;
  std::atomic<std::int64_t> first_run_at_ = 0;  // nanoseconds of the monotonic clock; 0 before the first run
};

}  // namespace keel
