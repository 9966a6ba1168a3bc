// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/detail/system_core.h"

#include <array>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel::detail {

namespace {

constexpr MmioRange kBelow4GiB = MmioRange::constant(0, 0xffff'ffff);
constexpr std::string_view kLow = "mmio below 4 GiB";
constexpr std::string_view kHigh = "mmio above 4 GiB";

Result<void> check_disjoint(const std::optional<MmioRange>& mmio, const std::optional<GuestRange>& memory,
                            std::string_view name) {
  if (!mmio || !memory) return {};
  if (memory->last().value() < mmio->first().value() || mmio->last().value() < memory->first().value()) return {};
  return fail(ErrorCode::kOverlap, "guest memory {} overlaps {} {}; an address can belong to one of them only", *memory,
              name, *mmio);
}

Result<void> check_config(const SystemConfig& config) {
  if (config.mmio_low && !kBelow4GiB.contains(*config.mmio_low)) {
    return fail(ErrorCode::kInvalidArgument, "{}: {} reaches beyond {}; end it there, or give the rest as mmio_high",
                kLow, *config.mmio_low, kBelow4GiB.last());
  }
  if (config.mmio_high && kBelow4GiB.overlaps(*config.mmio_high)) {
    return fail(ErrorCode::kInvalidArgument,
                "{}: {} starts below 0x100000000; start it there, or give the rest as mmio_low", kHigh,
                *config.mmio_high);
  }
  KEEL_TRY_VOID(check_disjoint(config.mmio_low, config.guest_memory, kLow));
  KEEL_TRY_VOID(check_disjoint(config.mmio_high, config.guest_memory, kHigh));
  if (config.legacy_irqs && config.msi && config.legacy_irqs->overlaps(*config.msi)) {
    return fail(ErrorCode::kOverlap, "the legacy irqs {} and the msi gsis {} overlap; a gsi can be one of them only",
                *config.legacy_irqs, *config.msi);
  }
  return {};
}

template <typename A>
std::optional<AddressAllocator<A>> make(std::string_view name, const std::optional<Range<A>>& range) {
  if (!range) return std::nullopt;
  return AddressAllocator<A>(std::string(name), *range);
}

template <typename Id>
std::optional<IdAllocator<Id>> make(std::string_view kind, const std::optional<IdRange<Id>>& range) {
  if (!range) return std::nullopt;
  return IdAllocator<Id>(std::string(kind), *range);
}

template <typename Allocator>
auto snapshot_of(const std::optional<Allocator>& allocator) {
  return allocator ? std::optional(allocator->snapshot()) : std::nullopt;
}

// Which part of S0.7's sentence a constraint belongs to: "I/O resource 1", "IRQ, resource 2".
std::string role(const ResourceConstraint& constraint, std::size_t index) {
  constexpr std::array kRoles = {"I/O resource",  "I/O resource",  "I/O resource",
                                 "IRQ, resource", "MSI, resource", "memory slot, resource"};
  static_assert(kRoles.size() == std::variant_size_v<ResourceConstraint>);
  return fmt::format("{} {} ({}) failed", kRoles[constraint.index()], index, to_string(constraint));
}

}  // namespace

Result<SystemCore> SystemCore::create(const SystemConfig& config, FaultInjector* faults) {
  KEEL_TRY_VOID(check_config(config));
  SystemSpaces spaces{
      .pio = make("pio", config.pio),
      .mmio_low = make(kLow, config.mmio_low),
      .mmio_high = make(kHigh, config.mmio_high),
      .guest_memory = make("guest memory", config.guest_memory),
      .legacy_irqs = make("irq", config.legacy_irqs),
      .msi = make("msi gsi", config.msi),
      .memory_slots = make("memory slot", config.memory_slots),
      .instance_ids = IdAllocator<InstanceId>("instance id", config.instance_ids),
  };
  return SystemCore(std::move(spaces), faults);
}

Result<void> SystemCore::step(std::string_view what) const {
  return faults_ == nullptr ? Result<void>() : faults_->before(what);
}

Result<Holding> SystemCore::allocate(const ResourceConstraints& constraints, std::string_view owner,
                                     std::optional<InstanceId> id) {
  Result<void> ready = step("instance id");
  Result<InstanceId> taken = ready ? spaces_.instance_ids.allocate(id, 1) : std::unexpected(ready.error());
  if (!taken) {
    const std::string wanted = id ? fmt::format("{}", *id) : "any";
    return std::unexpected(
        with_id_holders(taken.error(), id).within(fmt::format("\"{}\": instance id ({}) failed", owner, wanted)));
  }
  Result<DeviceResources> resources = take_all(constraints, owner);
  if (!resources) {
    check(spaces_.instance_ids.free(*taken).has_value(), "an instance id just taken cannot be given back");
    return std::unexpected(std::move(resources).error());
  }
  return holdings_.emplace(*taken, Holding{*taken, std::string(owner), std::move(*resources)}).first->second;
}

Result<DeviceResources> SystemCore::extend(InstanceId id, const ResourceConstraints& constraints) {
  Holding& holding = holdings_.at(id);
  KEEL_TRY(DeviceResources added, take_all(constraints, holding.owner));
  for (const Resource& resource : added.all()) holding.resources.add(resource);
  return added;
}

Result<void> SystemCore::give_back(InstanceId id, const Resource& resource) {
  Holding& holding = holdings_.at(id);
  if (!holding.resources.remove(resource)) {
    return fail(ErrorCode::kNotFound, "\"{}\" does not hold {}, so it cannot give it back; it holds: {}", holding.owner,
                to_string(resource), to_string(holding.resources));
  }
  std::visit([this](const auto& one) { free(one); }, resource);
  return {};
}

void SystemCore::release(InstanceId id) {
  const auto holding = holdings_.find(id);
  check(holding != holdings_.end(), "a grant was released behind its back");
  free_all(holding->second.resources);
  holdings_.erase(holding);
  check(spaces_.instance_ids.free(id).has_value(), "a held instance id is not taken");
}

Result<DeviceResources> SystemCore::take_all(const ResourceConstraints& constraints, std::string_view owner) {
  DeviceResources taken;
  for (std::size_t i = 0; i < constraints.size(); ++i) {
    const auto take_one = [this, owner](const auto& constraint) { return take(constraint, owner); };
    const Result<void> ready = faults_ == nullptr ? Result<void>() : faults_->before(to_string(constraints[i]));
    const Result<Resource> one = ready ? std::visit(take_one, constraints[i]) : std::unexpected(ready.error());
    if (!one) {
      free_all(taken);
      return std::unexpected(one.error().within(fmt::format("\"{}\": {}", owner, role(constraints[i], i))));
    }
    taken.add(*one);
  }
  return taken;
}

void SystemCore::free_all(const DeviceResources& resources) {
  for (const Resource& resource : resources.all()) std::visit([this](const auto& one) { free(one); }, resource);
}

std::vector<Holding> SystemCore::holdings() const {
  std::vector<Holding> all;
  for (const auto& [id, holding] : holdings_) all.push_back(holding);
  return all;
}

SystemSnapshot SystemCore::snapshot() const {
  return {
      .pio = snapshot_of(spaces_.pio),
      .mmio_low = snapshot_of(spaces_.mmio_low),
      .mmio_high = snapshot_of(spaces_.mmio_high),
      .guest_memory = snapshot_of(spaces_.guest_memory),
      .legacy_irqs = snapshot_of(spaces_.legacy_irqs),
      .msi = snapshot_of(spaces_.msi),
      .memory_slots = snapshot_of(spaces_.memory_slots),
      .instance_ids = spaces_.instance_ids.snapshot(),
      .holdings = holdings(),
  };
}

}  // namespace keel::detail
