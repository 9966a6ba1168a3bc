// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "keel/device/attach_request.h"
#include "keel/device/device_handle.h"
#include "keel/device/platform_view.h"
#include "keel/resource/constraints.h"
#include "keel/resource/system_spaces.h"

namespace keel::fake {

// What a machine is small enough for the model to try every address of.
inline SystemConfig model_config() {
  return {
      .pio = PioRange::constant(0, 63),
      .mmio_low = MmioRange::constant(0xd000'0000, 0xd000'001f),
      .guest_memory = GuestRange::constant(0x1'0000'0000, 0x1'0000'001f),
      .legacy_irqs = IdRange<Gsi>::constant(4, 7),
      .msi = IdRange<Gsi>::constant(24, 29),
      .memory_slots = IdRange<MemorySlot>::constant(0, 2),
      .instance_ids = IdRange<InstanceId>::constant(1, 8),
  };
}

// The naive device manager: says what a DeviceManager must do, by trying addresses and ids one after another, over
// model_config(). Knows resources of every kind, except that it hands out memory slots one by one alone.
class ModelMachine {
 public:
  struct Node {
    std::string name;
    std::string path;
    std::optional<InstanceId> parent;
    DeviceRole role;
    DeviceResources resources;
  };

  // The id, or nothing where the attach must fail.
  std::optional<InstanceId> attach(const AttachRequest& request, DeviceRole role) {
    if (request.name.empty() || request.name.find('/') != std::string::npos) return std::nullopt;
    if (request.parent && (!nodes.contains(*request.parent) || nodes.at(*request.parent).role != DeviceRole::kBus))
      return std::nullopt;
    for (const auto& [id, node] : nodes)
      if (node.parent == request.parent && node.name == request.name) return std::nullopt;
    const std::optional<InstanceId> id = free_id(request.id);
    std::vector<Resource> taken;
    for (const ResourceConstraint& constraint : *request.constraints) {
      const std::optional<Resource> one =
          id ? std::visit([&](const auto& c) { return take(c, taken); }, constraint) : std::nullopt;
      if (!one) return std::nullopt;
      taken.push_back(*one);
    }
    if (!id) return std::nullopt;
    const std::string path = request.parent ? nodes.at(*request.parent).path + "/" + request.name : request.name;
    nodes.emplace(*id, Node{request.name, path, request.parent, role, DeviceResources(taken)});
    return id;
  }

  bool detach(InstanceId id, Children children) {
    if (!nodes.contains(id)) return false;
    std::vector<InstanceId> gone = {id};
    for (std::size_t i = 0; i < gone.size(); ++i)
      for (const auto& [child, node] : nodes)
        if (node.parent == gone[i]) gone.push_back(child);
    if (children == Children::kRefuse && gone.size() > 1) return false;
    for (const InstanceId each : gone) nodes.erase(each);
    return true;
  }

  // Of a trapped range.
  template <typename R, typename A>
  bool move(InstanceId id, Range<A> old, A to, Range<A> window) {
    if (!nodes.contains(id) || !nodes.at(id).resources.contains(R{old})) return false;
    const auto now = Range<A>::from_size(to, old.size());
    if (!now || !window.contains(*now)) return false;
    for (const auto& [other, node] : nodes)
      for (const Resource& resource : node.resources.all())
        if (!(other == id && resource == Resource(R{old})) && overlaps(resource, *now)) return false;
    nodes.at(id).resources.replace(R{old}, R{*now});
    return true;
  }

  template <typename A>
  [[nodiscard]] std::optional<InstanceId> resolve(A address) const {
    for (const auto& [id, node] : nodes)
      for (const Resource& resource : node.resources.all())
        if (overlaps(resource, Range<A>::single(address))) return id;
    return std::nullopt;
  }

  [[nodiscard]] std::vector<Holding> holdings() const {
    std::vector<Holding> all;
    for (const auto& [id, node] : nodes) all.push_back({id, node.path, node.resources});
    return all;
  }

  std::map<InstanceId, Node> nodes;

 private:
  static bool overlaps(const Resource& resource, PioRange range) {
    const auto* pio = std::get_if<PioResource>(&resource);
    return pio != nullptr && pio->range.overlaps(range);
  }
  static bool overlaps(const Resource& resource, MmioRange range) {
    const auto* mmio = std::get_if<MmioResource>(&resource);
    const auto* backed = std::get_if<BackedMmioResource>(&resource);
    return (mmio != nullptr && mmio->range.overlaps(range)) || (backed != nullptr && backed->range.overlaps(range));
  }

  static bool overlaps(const Resource& resource, GuestRange range) {
    const auto* memory = std::get_if<GuestMemoryResource>(&resource);
    return memory != nullptr && memory->range.overlaps(range);
  }

  // test(resource) of anything taken, in the tree or in this attempt.
  template <typename Test>
  [[nodiscard]] bool any(const std::vector<Resource>& taken, Test test) const {
    for (const auto& [id, node] : nodes)
      if (std::ranges::any_of(node.resources.all(), test)) return true;
    return std::ranges::any_of(taken, test);
  }

  [[nodiscard]] std::optional<InstanceId> free_id(std::optional<InstanceId> wanted) const {
    for (std::uint32_t id = 1; id <= 8; ++id)
      if (!nodes.contains(InstanceId(id)) && (!wanted || wanted->value() == id)) return InstanceId(id);
    return std::nullopt;
  }

  template <typename A, typename Constraint>
  [[nodiscard]] std::optional<Range<A>> free_range(const Constraint& wanted, Range<A> window,
                                                   const std::vector<Resource>& taken) const {
    std::optional<Range<A>> best;
    const Range<A> bounds = wanted.within.value_or(window);
    for (std::uint64_t offset = 0; offset <= window.last_offset(); ++offset) {
      const A first = *window.first().checked_add(offset);
      const auto range = Range<A>::from_size(first, wanted.size);
      if (!range || !window.contains(*range) || !bounds.contains(*range) || !first.is_aligned(wanted.alignment))
        continue;
      if (any(taken, [&](const Resource& resource) { return overlaps(resource, *range); })) continue;
      if (!best || wanted.match == Match::kLast) best = *range;
    }
    return best;
  }

  std::optional<Resource> take(const PioConstraint& pio, const std::vector<Resource>& taken) const {
    const auto range = free_range<PioAddress>(pio, *model_config().pio, taken);
    return range ? std::optional<Resource>(PioResource{*range}) : std::nullopt;
  }
  std::optional<Resource> take(const MmioConstraint& mmio, const std::vector<Resource>& taken) const {
    const auto range = free_range<MmioAddress>(mmio, *model_config().mmio_low, taken);
    if (!range) return std::nullopt;
    if (mmio.backing == MmioBacking::kTrapped) return MmioResource{*range};
    const std::optional<MemorySlot> slot = free_slot(taken);
    return slot ? std::optional<Resource>(BackedMmioResource{*range, *slot}) : std::nullopt;
  }
  std::optional<Resource> take(const LegacyIrqConstraint& irq, const std::vector<Resource>& taken) const {
    for (std::uint32_t gsi = 4; gsi <= 7; ++gsi) {
      if ((irq.gsi && irq.gsi->value() != gsi) || (irq.within && !irq.within->contains(Gsi(gsi)))) continue;
      const Resource candidate = LegacyIrqResource{Gsi(gsi)};
      if (!any(taken, [&](const Resource& resource) { return resource == candidate; })) return candidate;
    }
    return std::nullopt;
  }
  std::optional<Resource> take(const MemorySlotConstraint&, const std::vector<Resource>& taken) const {
    const std::optional<MemorySlot> slot = free_slot(taken);
    return slot ? std::optional<Resource>(MemorySlotResource{IdRange<MemorySlot>::single(*slot)}) : std::nullopt;
  }
  std::optional<Resource> take(const GuestMemoryConstraint& memory, const std::vector<Resource>& taken) const {
    const auto range = free_range<GuestAddress>(memory, *model_config().guest_memory, taken);
    return range ? std::optional<Resource>(GuestMemoryResource{*range}) : std::nullopt;
  }
  std::optional<Resource> take(const MsiConstraint& msi, const std::vector<Resource>& taken) const {
    for (std::uint32_t first = 24; first + msi.count <= 30; ++first) {
      const IdRange<Gsi> run = *IdRange<Gsi>::from_count(Gsi(first), msi.count);
      const auto holds = [run](const Resource& resource) {
        const auto* other = std::get_if<MsiResource>(&resource);
        return other != nullptr && other->gsis.overlaps(run);
      };
      if (!any(taken, holds)) return MsiResource{msi.kind, run};
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<MemorySlot> free_slot(const std::vector<Resource>& taken) const {
    for (std::uint32_t slot = 0; slot <= 2; ++slot) {
      const auto holds = [slot](const Resource& resource) {
        const auto* backed = std::get_if<BackedMmioResource>(&resource);
        const auto* slots = std::get_if<MemorySlotResource>(&resource);
        return (backed != nullptr && backed->slot.value() == slot) ||
               (slots != nullptr && slots->slots.contains(MemorySlot(slot)));
      };
      if (!any(taken, holds)) return MemorySlot(slot);
    }
    return std::nullopt;
  }
};

}  // namespace keel::fake
