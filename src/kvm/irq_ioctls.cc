// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/kvm/irq_ioctls.h"

#include <linux/kvm.h>

#include <algorithm>

#include "src/kvm/ioctl.h"
#include "src/kvm/irq_routing.h"
#include "keel/base/try.h"

namespace keel::kvm {
namespace {

Result<void> irqfd(int vm, kvm_irqfd request) {
  KEEL_TRY_VOID(call(vm, KVM_IRQFD, &request, fmt::format("KVM_IRQFD for gsi {}", request.gsi)));
  return {};
}

kvm_irqfd request_for(const EventFd& trigger, Gsi gsi) {
  kvm_irqfd request = {};
  request.fd = static_cast<std::uint32_t>(trigger.fd());
  request.gsi = gsi.value();
  return request;
}

Result<void> set_line(int vm, Gsi gsi, std::uint32_t level) {
  kvm_irq_level request = {};
  request.irq = gsi.value();
  request.level = level;
  KEEL_TRY_VOID(call(vm, KVM_IRQ_LINE, &request, fmt::format("KVM_IRQ_LINE for gsi {}", gsi)));
  return {};
}

// What KVM_CAP_IRQ_ROUTING counts are routes, and the highest GSI is one less; so that no set of GSIs has more routes
// than fit, those that the PIC pair takes are left off.
std::uint32_t count_gsis(int vm) {
  const int routes = ::ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING);
  return static_cast<std::uint32_t>(std::max(routes, static_cast<int>(kPinRoutes))) - kPicPins;
}

}  // namespace

IrqIoctls::IrqIoctls(std::shared_ptr<const UniqueFd> vm) : vm_(std::move(vm)), gsi_count_(count_gsis(vm_->get())) {}

Result<void> IrqIoctls::set_routes(std::span<const MsiRoute> messages) {
  IrqRouting routing(messages);
  KEEL_TRY_VOID(call(vm_->get(), kSetGsiRouting, routing.kernel_form(),
                     fmt::format("KVM_SET_GSI_ROUTING with {} messages", messages.size())));
  return {};
}

Result<void> IrqIoctls::add_irqfd(const EventFd& trigger, Gsi gsi) {
  return irqfd(vm_->get(), request_for(trigger, gsi));
}

Result<void> IrqIoctls::add_resampled_irqfd(const EventFd& trigger, const EventFd& resample, Gsi gsi) {
  kvm_irqfd request = request_for(trigger, gsi);
  request.flags = KVM_IRQFD_FLAG_RESAMPLE;
  request.resamplefd = static_cast<std::uint32_t>(resample.fd());
  return irqfd(vm_->get(), request);
}

Result<void> IrqIoctls::remove_irqfd(const EventFd& trigger, Gsi gsi) {
  kvm_irqfd request = request_for(trigger, gsi);
  request.flags = KVM_IRQFD_FLAG_DEASSIGN;
  return irqfd(vm_->get(), request);
}

Result<void> IrqIoctls::raise_line(Gsi gsi) {
  return set_line(vm_->get(), gsi, 1);
}

Result<void> IrqIoctls::lower_line(Gsi gsi) {
  return set_line(vm_->get(), gsi, 0);
}

Result<void> IrqIoctls::signal_msi(const MsiConfig& message) {
  kvm_msi request = {};
  request.address_lo = static_cast<std::uint32_t>(message.address.value());
  request.address_hi = static_cast<std::uint32_t>(message.address.value() >> 32);
  request.data = message.data;
  request.flags = message.device_id ? KVM_MSI_VALID_DEVID : 0;
  request.devid = message.device_id.value_or(0);
  Result<int> sent = call(vm_->get(), KVM_SIGNAL_MSI, &request, fmt::format("KVM_SIGNAL_MSI of {}", message));
  // EPERM is a -1 of KVM's that means: the guest has its local APICs set up so that none takes it.
  if (sent || sent.error().code() == ErrorCode::kPermissionDenied) return {};
  return std::unexpected(std::move(sent).error());
}

}  // namespace keel::kvm
