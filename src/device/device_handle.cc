// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/device_handle.h"

#include "src/device/manager_core.h"
#include "keel/base/try.h"

namespace keel {

Result<Detachment> DeviceHandle::detach(Children children) {
  const std::shared_ptr<detail::ManagerCore> core = core_.lock();
  if (!core) return fail(ErrorCode::kNotFound, "this handle owns no device: it was detached, or its manager is gone");
  KEEL_TRY(Detachment gone, core->detach({id_, serial_}, children));
  core_.reset();
  return gone;
}

void DeviceHandle::drop() noexcept {
  if (const std::shared_ptr<detail::ManagerCore> core = std::exchange(core_, {}).lock()) core->drop({id_, serial_});
}

}  // namespace keel
