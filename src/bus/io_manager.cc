// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/io_manager.h"

#include "src/bus/io_manager_core.h"
#include "src/bus/io_transaction_drafts.h"
#include "src/bus/thread_books.h"
#include "keel/base/try.h"

namespace keel {

namespace {

template <typename A>
Result<BusEntry<A>> copy(const Result<const detail::Registered<A>*>& found) {
  if (!found) return std::unexpected(found.error());
  return (*found)->entry;
}

template <typename A>
Result<void> expect_exactly(Range<A> range, const Result<BusEntry<A>>& removed) {
  if (!removed) return std::unexpected(removed.error());
  if (removed->range() == range) return {};
  return fail(ErrorCode::kNotFound, "{} {} is not registered; {} is", BusTraits<A>::kName, range,
              detail::describe(*removed));
}

template <typename A>
std::vector<BusEntry<A>> list(const detail::Registry<A>& registry) {
  std::vector<BusEntry<A>> entries;
  entries.reserve(registry.entries().size());
  for (const auto& entry : registry.entries()) entries.push_back(entry->entry);
  return entries;
}

template <typename A>
std::vector<detail::OpenLine<A>> open_lines(const detail::Registry<A>& registry) {
  std::vector<detail::OpenLine<A>> lines;
  lines.reserve(registry.entries().size());
  for (const auto& entry : registry.entries()) {
    lines.push_back({entry->entry.range(), entry->entry.owner(), entry->ledger->number()});
  }
  return lines;
}

}  // namespace

IoManager::IoManager() : core_(std::make_unique<detail::IoManagerCore>()) {}
IoManager::~IoManager() = default;

IoTransaction IoManager::begin() {
  return IoTransaction(std::make_unique<IoTransaction::Drafts>(*core_));
}

void IoManager::name_this_thread(std::string name) const {
  const detail::ThreadReady ready(core_->books());
  core_->books()->name_book(*ready.view().book, std::move(name));
}

Result<void> IoManager::register_pio(PioRange range, std::shared_ptr<DevicePio> device, std::string owner) {
  IoTransaction transaction = begin();
  KEEL_TRY_VOID(transaction.register_pio(range, std::move(device), std::move(owner)));
  KEEL_TRY_VOID(transaction.commit());
  return {};
}

Result<void> IoManager::register_mmio(MmioRange range, std::shared_ptr<DeviceMmio> device, std::string owner) {
  IoTransaction transaction = begin();
  KEEL_TRY_VOID(transaction.register_mmio(range, std::move(device), std::move(owner)));
  KEEL_TRY_VOID(transaction.commit());
  return {};
}

Result<void> IoManager::register_device(std::span<const PioRange> pio, std::shared_ptr<DevicePio> pio_device,
                                        std::span<const MmioRange> mmio, std::shared_ptr<DeviceMmio> mmio_device,
                                        const std::string& owner) {
  IoTransaction transaction = begin();
  for (const PioRange& range : pio) KEEL_TRY_VOID(transaction.register_pio(range, pio_device, owner));
  for (const MmioRange& range : mmio) KEEL_TRY_VOID(transaction.register_mmio(range, mmio_device, owner));
  KEEL_TRY_VOID(transaction.commit());
  return {};
}

Result<void> IoManager::register_device(const DeviceResources& resources, std::shared_ptr<DevicePio> pio_device,
                                        std::shared_ptr<DeviceMmio> mmio_device, const std::string& owner) {
  return register_device(resources.pio(), std::move(pio_device), resources.mmio(), std::move(mmio_device), owner);
}

Result<PioRemoval> IoManager::deregister_pio(PioAddress any_inside) {
  IoTransaction transaction = begin();
  KEEL_TRY(PioEntry entry, transaction.deregister_pio(any_inside));
  KEEL_TRY(Completion completion, transaction.commit());
  return PioRemoval(std::move(entry), std::move(completion));
}

Result<MmioRemoval> IoManager::deregister_mmio(MmioAddress any_inside) {
  IoTransaction transaction = begin();
  KEEL_TRY(MmioEntry entry, transaction.deregister_mmio(any_inside));
  KEEL_TRY(Completion completion, transaction.commit());
  return MmioRemoval(std::move(entry), std::move(completion));
}

Result<Completion> IoManager::deregister_device(std::span<const PioRange> pio, std::span<const MmioRange> mmio) {
  IoTransaction transaction = begin();
  for (const PioRange& range : pio) {
    KEEL_TRY_VOID(expect_exactly(range, transaction.deregister_pio(range.first())));
  }
  for (const MmioRange& range : mmio) {
    KEEL_TRY_VOID(expect_exactly(range, transaction.deregister_mmio(range.first())));
  }
  return transaction.commit();
}

Result<Completion> IoManager::deregister_device(const DeviceResources& resources) {
  return deregister_device(resources.pio(), resources.mmio());
}

Result<PioEntry> IoManager::find_pio(PioAddress address) const {
  return core_->with_registry<PioAddress>([&](const auto& registry) { return copy(registry.at(address)); });
}

Result<MmioEntry> IoManager::find_mmio(MmioAddress address) const {
  return core_->with_registry<MmioAddress>([&](const auto& registry) { return copy(registry.at(address)); });
}

Result<PioEntry> IoManager::check_pio(PioAddress address, std::size_t size) const {
  return core_->with_registry<PioAddress>([&](const auto& registry) { return copy(registry.check(address, size)); });
}

Result<MmioEntry> IoManager::check_mmio(MmioAddress address, std::size_t size) const {
  return core_->with_registry<MmioAddress>([&](const auto& registry) { return copy(registry.check(address, size)); });
}

std::vector<PioEntry> IoManager::pio_entries() const {
  return core_->with_registry<PioAddress>([](const auto& registry) { return list(registry); });
}

std::vector<MmioEntry> IoManager::mmio_entries() const {
  return core_->with_registry<MmioAddress>([](const auto& registry) { return list(registry); });
}

IoLedger IoManager::ledger() const {
  // Under the lock, so that no line changes hands meanwhile.
  return core_->with_registries(
      [&](const auto& pio, const auto& mmio) { return core_->books()->picture(open_lines(pio), open_lines(mmio)); });
}

bool operator==(const IoManager& a, const IoManager& b) {
  // One lock at a time: two managers have no order.
  const auto lists = [](const IoManager& manager) {
    return manager.core_->with_registries(
        [](const auto& pio, const auto& mmio) { return std::pair(list(pio), list(mmio)); });
  };
  return lists(a) == lists(b);
}

}  // namespace keel
