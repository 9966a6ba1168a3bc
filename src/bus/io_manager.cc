// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/io_manager.h"

#include <algorithm>
#include <atomic>

#include "src/bus/grace_period.h"
#include "src/bus/registry.h"
#include "keel/base/mutex.h"
#include "keel/base/try.h"
#include "keel/bus/handler_scope.h"

namespace keel {

using detail::Registry;

namespace {

struct Snapshot {
  Registry<PioAddress> pio;
  Registry<MmioAddress> mmio;

  template <typename A>
  Registry<A>& bus() noexcept {
    if constexpr (std::same_as<A, PioAddress>)
      return pio;
    else
      return mmio;
  }
  template <typename A>
  const Registry<A>& bus() const noexcept {
    return const_cast<Snapshot&>(*this).bus<A>();
  }
};

template <typename A>
Result<void> insert_all(Snapshot& next, std::span<const Range<A>> ranges, const std::shared_ptr<DeviceOn<A>>& device,
                        const std::string& owner) {
  for (const Range<A>& range : ranges) {
    KEEL_TRY_VOID(next.bus<A>().insert(std::make_shared<const BusEntry<A>>(range, device, owner)));
  }
  return {};
}

template <typename A>
Result<void> erase_all(Snapshot& next, std::span<const Range<A>> ranges,
                       std::vector<std::weak_ptr<const void>>& removed) {
  for (const Range<A>& range : ranges) {
    KEEL_TRY(const auto entry, next.bus<A>().erase(range.first()));
    if (entry->range() != range) {
      return fail(ErrorCode::kNotFound, "{} {} is not registered; {} \"{}\" is", BusTraits<A>::kName, range,
                  entry->range(), entry->owner());
    }
    removed.push_back(entry);
  }
  return {};
}

}  // namespace

class IoManager::Impl {
 public:
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot() const { return current_.load(); }

  // Publishes what `change` makes of a copy, or nothing where it fails.
  template <typename F>
  Result<void> update(F&& change) {
    std::shared_ptr<const Snapshot> old;
    const Lock lock(mutex_);
    old = current_.load();
    auto next = std::make_shared<Snapshot>(*old);
    KEEL_TRY_VOID(change(*next));
    current_.store(std::move(next));
    return {};
  }

  template <typename A>
  Result<Removal<A>> deregister(A any_inside) {
    typename Registry<A>::EntryPtr entry;
    KEEL_TRY_VOID(update([&](Snapshot& next) -> Result<void> {
      KEEL_TRY(entry, next.bus<A>().erase(any_inside));
      return {};
    }));
    BusEntry<A> copy = *entry;
    std::vector<std::weak_ptr<const void>> removed{std::move(entry)};
    return Removal<A>(std::move(copy), Completion(std::make_shared<detail::GracePeriod>(std::move(removed))));
  }

  template <typename A, typename Access>
  Dispatch dispatch(A address, std::size_t size, Access&& access) const noexcept {
    const auto now = snapshot();
    const auto* entry = now->bus<A>().find(address);
    if (!entry || size == 0 || size - 1 > (*entry)->range().last().offset_from(address)) {
      unclaimed_.fetch_add(1, std::memory_order_relaxed);
      return Dispatch::kUnclaimed;
    }
    const HandlerScope scope;
    const A base = (*entry)->range().first();
    access(*(*entry)->device(), base, address.offset_from(base));
    return Dispatch::kClaimed;
  }

 private:
  Mutex mutex_;  // held by whoever publishes; never while a device runs
  std::atomic<std::shared_ptr<const Snapshot>> current_{std::make_shared<Snapshot>()};
  mutable std::atomic<std::uint64_t> unclaimed_ = 0;
};

IoManager::IoManager() : impl_(std::make_unique<Impl>()) {}
IoManager::~IoManager() = default;

Dispatch IoManager::pio_read(PioAddress address, std::span<std::uint8_t> data) const noexcept {
  const Dispatch result = impl_->dispatch(address, data.size(), [&](DevicePio& device, PioAddress base, auto offset) {
    device.pio_read(base, offset, data);
  });
  if (result == Dispatch::kUnclaimed) std::ranges::fill(data, std::uint8_t{0xff});
  return result;
}

Dispatch IoManager::pio_write(PioAddress address, std::span<const std::uint8_t> data) const noexcept {
  return impl_->dispatch(address, data.size(), [&](DevicePio& device, PioAddress base, auto offset) {
    device.pio_write(base, offset, data);
  });
}

Dispatch IoManager::mmio_read(MmioAddress address, std::span<std::uint8_t> data) const noexcept {
  const Dispatch result = impl_->dispatch(address, data.size(), [&](DeviceMmio& device, MmioAddress base, auto offset) {
    device.mmio_read(base, offset, data);
  });
  if (result == Dispatch::kUnclaimed) std::ranges::fill(data, std::uint8_t{0xff});
  return result;
}

Dispatch IoManager::mmio_write(MmioAddress address, std::span<const std::uint8_t> data) const noexcept {
  return impl_->dispatch(address, data.size(), [&](DeviceMmio& device, MmioAddress base, auto offset) {
    device.mmio_write(base, offset, data);
  });
}

Result<void> IoManager::register_pio(PioRange range, std::shared_ptr<DevicePio> device, std::string owner) {
  return register_device({&range, 1}, std::move(device), {}, nullptr, owner);
}

Result<void> IoManager::register_mmio(MmioRange range, std::shared_ptr<DeviceMmio> device, std::string owner) {
  return register_device({}, nullptr, {&range, 1}, std::move(device), owner);
}

Result<void> IoManager::register_device(std::span<const PioRange> pio, std::shared_ptr<DevicePio> pio_device,
                                        std::span<const MmioRange> mmio, std::shared_ptr<DeviceMmio> mmio_device,
                                        const std::string& owner) {
  return impl_->update([&](Snapshot& next) -> Result<void> {
    KEEL_TRY_VOID(insert_all(next, pio, pio_device, owner));
    return insert_all(next, mmio, mmio_device, owner);
  });
}

Result<PioRemoval> IoManager::deregister_pio(PioAddress any_inside) {
  return impl_->deregister(any_inside);
}

Result<MmioRemoval> IoManager::deregister_mmio(MmioAddress any_inside) {
  return impl_->deregister(any_inside);
}

Result<Completion> IoManager::deregister_device(std::span<const PioRange> pio, std::span<const MmioRange> mmio) {
  std::vector<std::weak_ptr<const void>> removed;
  const Result<void> updated = impl_->update([&](Snapshot& next) -> Result<void> {
    KEEL_TRY_VOID(erase_all(next, pio, removed));
    return erase_all(next, mmio, removed);
  });
  if (!updated) return std::unexpected(updated.error());
  return Completion(std::make_shared<detail::GracePeriod>(std::move(removed)));
}

Result<PioEntry> IoManager::find_pio(PioAddress address) const {
  KEEL_TRY(const auto entry, impl_->snapshot()->pio.at(address));
  return *entry;
}

Result<MmioEntry> IoManager::find_mmio(MmioAddress address) const {
  KEEL_TRY(const auto entry, impl_->snapshot()->mmio.at(address));
  return *entry;
}

Result<PioEntry> IoManager::check_pio(PioAddress address, std::size_t size) const {
  KEEL_TRY(const auto entry, impl_->snapshot()->pio.check(address, size));
  return *entry;
}

Result<MmioEntry> IoManager::check_mmio(MmioAddress address, std::size_t size) const {
  KEEL_TRY(const auto entry, impl_->snapshot()->mmio.check(address, size));
  return *entry;
}

std::vector<PioEntry> IoManager::pio_entries() const {
  std::vector<PioEntry> result;
  for (const auto& entry : impl_->snapshot()->pio.entries()) result.push_back(*entry);
  return result;
}

std::vector<MmioEntry> IoManager::mmio_entries() const {
  std::vector<MmioEntry> result;
  for (const auto& entry : impl_->snapshot()->mmio.entries()) result.push_back(*entry);
  return result;
}

bool operator==(const IoManager& a, const IoManager& b) {
  const auto x = a.impl_->snapshot();
  const auto y = b.impl_->snapshot();
  return x->pio == y->pio && x->mmio == y->mmio;
}

}  // namespace keel
