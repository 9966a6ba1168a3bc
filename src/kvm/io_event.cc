// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/kvm/io_event.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <type_traits>

#include "keel/base/try.h"
#include "keel/kvm/vm.h"

namespace keel::kvm {
namespace {

class Binding final : public DoorbellBinding {
 public:
  explicit Binding(IoEvent event) noexcept : event_(std::move(event)) {}

 private:
  IoEvent event_;
};

}  // namespace

template <typename A>
Result<IoEvent> IoEvent::assign_on(std::shared_ptr<const UniqueFd> vm, const DoorbellOn<A>& doorbell,
                                   const EventFd& event) {
  KEEL_TRY_VOID(check_doorbell(doorbell));
  const bool exact = doorbell.match == DoorbellMatch::kExactWrite;
  kvm_ioeventfd request = {};
  request.datamatch = exact ? doorbell.value : 0;
  request.addr = doorbell.address.value();
  request.len = doorbell.match == DoorbellMatch::kAnyWrite ? 0 : doorbell.size;
  request.fd = event.fd();
  request.flags = exact ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0u;
  if constexpr (std::is_same_v<A, PioAddress>) request.flags |= KVM_IOEVENTFD_FLAG_PIO;
  if (::ioctl(vm->get(), KVM_IOEVENTFD, &request) < 0) {
    if (errno == EEXIST) {
      return fail(ErrorCode::kAlreadyExists, "{}: another doorbell takes the same writes; drop that first", doorbell);
    }
    return std::unexpected(system_error(errno, fmt::format("KVM_IOEVENTFD for {}", doorbell)));
  }
  return IoEvent(std::move(vm), Request{.datamatch = request.datamatch,
                                        .address = request.addr,
                                        .length = request.len,
                                        .fd = request.fd,
                                        .flags = request.flags});
}

Result<IoEvent> IoEvent::assign(const Vm& vm, const PioDoorbell& doorbell, const EventFd& event) {
  return assign_on(vm.fd_, doorbell, event);
}
Result<IoEvent> IoEvent::assign(const Vm& vm, const MmioDoorbell& doorbell, const EventFd& event) {
  return assign_on(vm.fd_, doorbell, event);
}

IoEvent& IoEvent::operator=(IoEvent&& other) noexcept {
  if (this == &other) return *this;
  reset();
  vm_ = std::move(other.vm_);
  request_ = other.request_;
  return *this;
}

void IoEvent::reset() noexcept {
  if (!vm_) return;
  kvm_ioeventfd request = {};
  request.datamatch = request_.datamatch;
  request.addr = request_.address;
  request.len = request_.length;
  request.fd = request_.fd;
  request.flags = request_.flags | KVM_IOEVENTFD_FLAG_DEASSIGN;
  // Refused only where the eventfd was closed too early, with which KVM has dropped it.
  ::ioctl(vm_->get(), KVM_IOEVENTFD, &request);
  vm_.reset();
}

template <typename A>
Result<std::unique_ptr<DoorbellBinding>> IoEventHost::bind_on(const DoorbellOn<A>& doorbell, const EventFd& event) {
  KEEL_TRY(IoEvent assigned, IoEvent::assign_on(vm_, doorbell, event));
  return std::make_unique<Binding>(std::move(assigned));
}

Result<std::unique_ptr<DoorbellBinding>> IoEventHost::bind(const PioDoorbell& doorbell, const EventFd& event) {
  return bind_on(doorbell, event);
}
Result<std::unique_ptr<DoorbellBinding>> IoEventHost::bind(const MmioDoorbell& doorbell, const EventFd& event) {
  return bind_on(doorbell, event);
}

}  // namespace keel::kvm
