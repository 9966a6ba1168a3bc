// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "keel/base/error.h"
#include "keel/base/event_fd.h"
#include "keel/base/unique_fd.h"
#include "keel/bus/doorbell.h"

namespace keel::kvm {

class Vm;

// An ioeventfd (KVM_IOEVENTFD): guest writes signal an eventfd and never exit. Taken away when destroyed, which waits
// for accesses of running vCPUs in the kernel (milliseconds). Move-only; used by one thread at a time.
class IoEvent {
 public:
  // `event` outlives it. With kAnyWrite `doorbell.size` does not count: KVM matches the address alone, and finds such
  // an MMIO address faster. Errors: those of check_doorbell(), kAlreadyExists where another takes the same writes,
  // kIo.
  [[nodiscard]] static Result<IoEvent> assign(const Vm& vm, const PioDoorbell& doorbell, const EventFd& event);
  [[nodiscard]] static Result<IoEvent> assign(const Vm& vm, const MmioDoorbell& doorbell, const EventFd& event);

  IoEvent(IoEvent&& other) noexcept : vm_(std::move(other.vm_)), request_(other.request_) {}
  IoEvent& operator=(IoEvent&& other) noexcept;
  IoEvent(const IoEvent&) = delete;
  IoEvent& operator=(const IoEvent&) = delete;
  ~IoEvent() { reset(); }
  // Takes it away now.
  void reset() noexcept;

 private:
  friend class IoEventHost;
  // struct kvm_ioeventfd's part of it
  struct Request {
    std::uint64_t datamatch;
    std::uint64_t address;
    std::uint32_t length;
    std::int32_t fd;
    std::uint32_t flags;
  };
  template <typename A>
  static Result<IoEvent> assign_on(std::shared_ptr<const UniqueFd> vm, const DoorbellOn<A>& doorbell,
                                   const EventFd& event);
  IoEvent(std::shared_ptr<const UniqueFd> vm, const Request& request) noexcept
      : vm_(std::move(vm)), request_(request) {}

  std::shared_ptr<const UniqueFd> vm_;  // null when it has none
  Request request_;
};

}  // namespace keel::kvm
