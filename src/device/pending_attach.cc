// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/pending_attach.h"

#include <utility>

#include "src/device/manager_core.h"
#include "keel/base/try.h"
#include "keel/device/device_manager.h"

namespace keel {

using detail::ManagerCore;

struct PendingAttach::State {
  std::shared_ptr<ManagerCore> core;
  ManagerCore::Begun begun;
  ManagerCore::Assigned assigned = ManagerCore::Assigned::kNo;

  State(std::shared_ptr<ManagerCore> c, ManagerCore::Begun b) : core(std::move(c)), begun(std::move(b)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (begun.belongings.grant) core->abandon(std::move(begun.belongings), assigned);
  }
};

PendingAttach::PendingAttach(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
PendingAttach::PendingAttach(PendingAttach&&) noexcept = default;
PendingAttach& PendingAttach::operator=(PendingAttach&&) noexcept = default;
PendingAttach::~PendingAttach() = default;

Result<PendingAttach> DeviceManager::begin(std::shared_ptr<Device> device, AttachRequest request) {
  KEEL_TRY(ManagerCore::Begun begun, core_->begin(std::move(device), std::move(request)));
  return PendingAttach(std::make_unique<PendingAttach::State>(core_, std::move(begun)));
}

InstanceId PendingAttach::id() const noexcept {
  return state_->begun.belongings.grant.id();
}

const DeviceResources& PendingAttach::resources() const noexcept {
  return state_->begun.belongings.resources();
}

Result<void> PendingAttach::assign() {
  if (!state_ || state_->assigned == ManagerCore::Assigned::kYes)
    return fail(ErrorCode::kInvalidState, "a device is assigned its resources once per attach, and this one has been");
  KEEL_TRY_VOID(state_->core->assign(state_->begun.belongings));
  state_->assigned = ManagerCore::Assigned::kYes;
  return {};
}

Result<DeviceHandle> PendingAttach::publish() {
  if (!state_) return fail(ErrorCode::kInvalidState, "this attach is done: its device is published already");
  if (state_->assigned == ManagerCore::Assigned::kNo) {
    return fail(ErrorCode::kInvalidState, "\"{}\" must be assigned its resources before its first I/O; call assign()",
                state_->begun.belongings.path());
  }
  KEEL_TRY_VOID(state_->core->publish(state_->begun.belongings));
  DeviceHandle handle(state_->core, id(), state_->begun.serial);
  state_->core->settle(std::move(state_->begun.belongings));
  state_.reset();
  return handle;
}

}  // namespace keel
