// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/vmm/vcpu_thread.h"

#include <pthread.h>
#include <signal.h>  // pthread_kill

#include <exception>
#include <string>
#include <utility>
#include <variant>

#include "keel/vmm/machine.h"

namespace keel {
namespace {

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};

// A thread inherits its maker's mask, and the maker may be anybody's.
void unblock_kicks() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, kvm::Vcpu::kick_signal());
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

VcpuThread::VcpuThread(unsigned index, kvm::Vcpu vcpu, Machine& machine) noexcept
    : index_(index), vcpu_(std::move(vcpu)), machine_(machine) {}

Result<void> VcpuThread::start(std::latch& all_started) {
  try {
    thread_ = std::thread([this, &all_started] {
      const std::string name = fmt::format("vcpu{}", index_);
      ::pthread_setname_np(::pthread_self(), name.c_str());
      machine_.io_.name_this_thread(name);
      unblock_kicks();
      all_started.arrive_and_wait();
      run_until_end();
      machine_.rest();
    });
  } catch (const std::exception& error) {  // std::system_error, std::bad_alloc
    return fail(ErrorCode::kExhausted, "no thread for vCPU {}: {}", index_, error.what());
  }
  return {};
}

void VcpuThread::kick() noexcept {
  vcpu_.kick();
  if (thread_.joinable()) ::pthread_kill(thread_.native_handle(), kvm::Vcpu::kick_signal());
}

void VcpuThread::join() {
  if (thread_.joinable()) thread_.join();
}

ExitCounts VcpuThread::counts() const noexcept {
  ExitCounts result;
  for (std::size_t i = 0; i < counts_.size(); ++i) result.by_kind[i] = counts_[i].load(std::memory_order_relaxed);
  return result;
}

std::optional<std::chrono::nanoseconds> VcpuThread::first_run_at() const noexcept {
  const std::int64_t at = first_run_at_.load(std::memory_order_acquire);
  if (at == 0) return std::nullopt;
  return std::chrono::nanoseconds(at);
}

void VcpuThread::run_until_end() {
  first_run_at_.store(machine_.clock_.monotonic().count(), std::memory_order_release);
  while (!machine_.ending()) {
    auto exit = vcpu_.run();
    if (!exit) {
      machine_.end(EndReason::kFailed, fmt::format("vCPU {}: {}", index_, exit.error().message()));
      return;
    }
    serve(*exit);
  }
}

void VcpuThread::serve(kvm::Exit& exit) {
  std::visit(Overloaded{
                 [this](const kvm::PioExit& pio) { serve(pio); },
                 [this](const kvm::MmioExit& mmio) { serve(mmio); },
                 [this](const kvm::HaltExit&) { count(ExitKind::kHalt); },
                 [this](const kvm::InterruptedExit&) { count(ExitKind::kInterrupted); },
                 [this](const kvm::ShutdownExit&) {
                   count(ExitKind::kShutdown);
                   machine_.end(EndReason::kCrash, fmt::format("vCPU {}: triple fault", index_));
                 },
                 [this](const kvm::FailureExit& failure) {
                   count(ExitKind::kFailure);
                   machine_.end(EndReason::kFailed, fmt::format("vCPU {}: {}", index_, failure.reason));
                 },
             },
             exit);
}

void VcpuThread::serve(const kvm::PioExit& exit) {
  const bool read = exit.direction == kvm::Direction::kRead;
  count(read ? ExitKind::kPioRead : ExitKind::kPioWrite);
  if (read)
    ports_.count_read(exit.port);
  else
    ports_.count_write(exit.port);
  for (std::uint32_t i = 0; i < exit.count; ++i) {
    const auto data = exit.data.subspan(std::size_t{i} * exit.size, exit.size);
    if (read)
      machine_.io_.pio_read(exit.port, data);
    else
      machine_.io_.pio_write(exit.port, data);
  }
}

void VcpuThread::serve(const kvm::MmioExit& exit) {
  if (exit.direction == kvm::Direction::kRead) {
    count(ExitKind::kMmioRead);
    machine_.io_.mmio_read(exit.address, exit.data);
  } else {
    count(ExitKind::kMmioWrite);
    machine_.io_.mmio_write(exit.address, exit.data);
  }
}

void VcpuThread::count(ExitKind kind) noexcept {
  auto& counter = counts_[static_cast<std::size_t>(kind)];
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace keel
