// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/resources.h"

#include <algorithm>

#include <fmt/format.h>

namespace keel {

namespace {

struct Describe {
  std::string operator()(const PioResource& pio) const { return fmt::format("pio {}", pio.range); }
  std::string operator()(const MmioResource& mmio) const { return fmt::format("mmio {}", mmio.range); }
  std::string operator()(const BackedMmioResource& mmio) const {
    return fmt::format("memory-backed mmio {} slot {}", mmio.range, mmio.slot);
  }
  std::string operator()(const GuestMemoryResource& memory) const {
    return fmt::format("guest memory {}", memory.range);
  }
  std::string operator()(const LegacyIrqResource& irq) const { return fmt::format("irq {}", irq.gsi); }
  std::string operator()(const MsiResource& msi) const {
    return fmt::format("{} gsi{} {}", to_string(msi.kind), msi.gsis.count() == 1 ? "" : "s", msi.gsis);
  }
  std::string operator()(const MemorySlotResource& memory) const {
    return fmt::format("memory slot{} {}", memory.slots.count() == 1 ? "" : "s", memory.slots);
  }
  std::string operator()(const MacAddressResource& mac) const { return fmt::format("mac {}", mac.mac); }
};

// get(resource) of every resource of kind R.
template <typename R, typename Get>
auto collect(const std::vector<Resource>& all, Get get) {
  std::vector<std::remove_cvref_t<decltype(get(std::declval<const R&>()))>> found;
  for (const Resource& resource : all) {
    if (const R* one = std::get_if<R>(&resource)) found.push_back(get(*one));
  }
  return found;
}

template <typename T>
std::optional<T> first_of(const std::vector<T>& found) {
  return found.empty() ? std::nullopt : std::optional(found.front());
}

}  // namespace

std::string_view to_string(MsiKind kind) noexcept {
  switch (kind) {
    case MsiKind::kPciMsi: return "pci-msi";
    case MsiKind::kPciMsix: return "pci-msix";
    case MsiKind::kGeneric: return "msi";
  }
  return "msi";
}

std::string to_string(const Resource& resource) {
  return std::visit(Describe(), resource);
}

std::string to_string(const DeviceResources& resources) {
  std::string text;
  for (const Resource& resource : resources.all()) text += (text.empty() ? "" : ", ") + to_string(resource);
  return text;
}

bool DeviceResources::remove(const Resource& resource) {
  const auto at = std::find(all_.begin(), all_.end(), resource);
  if (at == all_.end()) return false;
  all_.erase(at);
  return true;
}

bool DeviceResources::replace(const Resource& old, const Resource& now) {
  const auto at = std::find(all_.begin(), all_.end(), old);
  if (at == all_.end()) return false;
  *at = now;
  return true;
}

bool DeviceResources::contains(const Resource& resource) const {
  return std::find(all_.begin(), all_.end(), resource) != all_.end();
}

std::vector<PioRange> DeviceResources::pio() const {
  return collect<PioResource>(all_, [](const auto& pio) { return pio.range; });
}

std::vector<MmioRange> DeviceResources::mmio() const {
  return collect<MmioResource>(all_, [](const auto& mmio) { return mmio.range; });
}

std::vector<BackedMmioResource> DeviceResources::backed_mmio() const {
  return collect<BackedMmioResource>(all_, [](const auto& mmio) { return mmio; });
}

std::vector<GuestRange> DeviceResources::guest_memory() const {
  return collect<GuestMemoryResource>(all_, [](const auto& memory) { return memory.range; });
}

std::vector<Gsi> DeviceResources::legacy_irqs() const {
  return collect<LegacyIrqResource>(all_, [](const auto& irq) { return irq.gsi; });
}

std::optional<Gsi> DeviceResources::legacy_irq() const {
  return first_of(legacy_irqs());
}

std::vector<IdRange<Gsi>> DeviceResources::msi(MsiKind kind) const {
  std::vector<IdRange<Gsi>> found;
  for (const MsiResource& msi : collect<MsiResource>(all_, [](const auto& one) { return one; })) {
    if (msi.kind == kind) found.push_back(msi.gsis);
  }
  return found;
}

std::vector<IdRange<MemorySlot>> DeviceResources::memory_slots() const {
  return collect<MemorySlotResource>(all_, [](const auto& memory) { return memory.slots; });
}

std::optional<MacAddress> DeviceResources::mac() const {
  return first_of(collect<MacAddressResource>(all_, [](const auto& mac) { return mac.mac; }));
}

}  // namespace keel
