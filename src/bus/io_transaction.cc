// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/io_transaction.h"

#include "src/bus/io_manager_core.h"
#include "src/bus/io_transaction_drafts.h"
#include "keel/base/try.h"

namespace keel {

IoTransaction::IoTransaction(std::unique_ptr<Drafts> drafts) noexcept : drafts_(std::move(drafts)) {}
IoTransaction::IoTransaction(IoTransaction&& other) noexcept = default;
IoTransaction& IoTransaction::operator=(IoTransaction&& other) noexcept = default;
IoTransaction::~IoTransaction() = default;

Result<void> IoTransaction::register_pio(PioRange range, std::shared_ptr<DevicePio> device, std::string owner) {
  return drafts_->add(drafts_->pio, range, std::move(device), std::move(owner));
}

Result<void> IoTransaction::register_mmio(MmioRange range, std::shared_ptr<DeviceMmio> device, std::string owner) {
  return drafts_->add(drafts_->mmio, range, std::move(device), std::move(owner));
}

Result<PioEntry> IoTransaction::deregister_pio(PioAddress any_inside) {
  return drafts_->core.with_registry<PioAddress>(
      [&](const auto& registry) { return drafts_->pio.remove(registry, any_inside); });
}

Result<MmioEntry> IoTransaction::deregister_mmio(MmioAddress any_inside) {
  return drafts_->core.with_registry<MmioAddress>(
      [&](const auto& registry) { return drafts_->mmio.remove(registry, any_inside); });
}

Result<void> IoTransaction::move_pio(PioAddress any_inside, PioAddress to) {
  return drafts_->core.with_registry<PioAddress>(
      [&](const auto& registry) { return drafts_->pio.move(registry, any_inside, to); });
}

Result<void> IoTransaction::move_mmio(MmioAddress any_inside, MmioAddress to) {
  return drafts_->core.with_registry<MmioAddress>(
      [&](const auto& registry) { return drafts_->mmio.move(registry, any_inside, to); });
}

Result<Completion> IoTransaction::commit() {
  return drafts_->core.commit(drafts_->pio, drafts_->mmio);
}

void IoTransaction::cancel() noexcept {
  drafts_->pio.clear();
  drafts_->mmio.clear();
}

}  // namespace keel
