// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The attach of ManagerCore, step by step. Each step undoes itself where it fails.

#include <utility>

#include <fmt/format.h>

#include "src/device/manager_core.h"
#include "keel/base/try.h"
#include "keel/bus/handler_scope.h"

namespace keel::detail {

namespace {

// `"net0": interrupt line 0 (irq 5) failed: <why>`
template <typename... Args>
std::unexpected<Error> failed(const Belongings& belongings, const Error& why, fmt::format_string<Args...> what,
                              Args&&... args) {
  return std::unexpected(
      why.within(fmt::format("\"{}\": {} failed", belongings.path(), fmt::format(what, std::forward<Args>(args)...))));
}

}  // namespace

Result<void> ManagerCore::step(std::string_view what) const {
  return hooks_.faults == nullptr ? Result<void>() : hooks_.faults->before(what);
}

Result<ManagerCore::Begun> ManagerCore::begin(std::shared_ptr<Device> device, AttachRequest request) {
  if (!device) return fail(ErrorCode::kInvalidArgument, "\"{}\": no device was given to attach", request.name);
  Node node{.name = std::move(request.name), .parent = request.parent, .device = device};
  {
    const HandlerScope scope;
    node.type = device->type();
    node.role = device->role();
  }
  KEEL_TRY(node.path, with_tree([&](const DeviceTree& tree) { return tree.place_for(node); }));
  if (!request.constraints) {
    const HandlerScope scope;
    request.constraints = device->constraints();
  }
  Belongings belongings{.device = std::move(device), .role = node.role};
  KEEL_TRY(belongings.grant, spaces_.allocate(*request.constraints, node.path, request.id));
  const Lock lock(mutex_);
  // Again, because the tree may have changed meanwhile.
  KEEL_TRY(const std::string path, tree_.place_for(node));
  if (path != node.path) {
    return fail(ErrorCode::kInvalidState, "\"{}\": its parent is now another bus, \"{}\"; say which one is meant",
                node.path, path);
  }
  const std::uint64_t serial = tree_.insert(belongings.grant.id(), std::move(node));
  return Begun{std::move(belongings), serial};
}

Result<void> ManagerCore::assign(Belongings& belongings) const {
  KEEL_TRY(auto lines, connect_lines(belongings));
  KEEL_TRY_VOID(step("assign"));
  const HandlerScope scope;
  const Result<void> assigned = belongings.device->assign({belongings.grant.id(), belongings.resources(), lines});
  if (!assigned) {
    drop_all(lines);
    return std::unexpected(assigned.error().within(
        fmt::format("\"{}\": the {} refuses {}", belongings.path(), belongings.device->type(),
                    belongings.resources().all().empty() ? "to be attached" : to_string(belongings.resources()))));
  }
  belongings.lines = std::move(lines);
  return {};
}

Result<std::vector<std::unique_ptr<LevelInterrupt>>> ManagerCore::connect_lines(const Belongings& belongings) const {
  std::vector<std::unique_ptr<LevelInterrupt>> lines;
  if (!belongings.is_played()) return lines;
  for (const Gsi gsi : belongings.resources().legacy_irqs()) {
    if (hooks_.interrupts == nullptr) {
      return fail(ErrorCode::kUnsupported,
                  "\"{}\" has irq {}, and this machine connects no interrupt lines; give it an InterruptFactory",
                  belongings.path(), gsi);
    }
    const HandlerScope scope;
    Result<void> ready = step("connect irq");
    auto line = ready ? hooks_.interrupts->connect(gsi, belongings.path()) : std::unexpected(ready.error());
    if (!line) {
      drop_all(lines);
      return failed(belongings, line.error(), "the line of irq {}", gsi);
    }
    lines.push_back(std::move(*line));
  }
  return lines;
}

Result<void> ManagerCore::publish(Belongings& belongings) const {
  if (!belongings.is_played()) return {};
  KEEL_TRY(std::vector<TakenPart> parts, take_parts(belongings));
  if (const Result<void> registered = register_ranges(belongings); !registered) {
    const HandlerScope scope;
    drop_all(parts);
    return registered;
  }
  belongings.parts = std::move(parts);
  return {};
}

Result<std::vector<TakenPart>> ManagerCore::take_parts(const Belongings& belongings) const {
  const HandlerScope scope;
  std::vector<TakenPart> parts;
  std::size_t memory_index = 0;
  for (const Resource& resource : belongings.resources().all()) {
    if (const auto* backed = std::get_if<BackedMmioResource>(&resource)) {
      Result<TakenPart> mapped = map_memory(belongings, *backed, memory_index++);
      if (!mapped) {
        drop_all(parts);
        return std::unexpected(std::move(mapped).error());
      }
      parts.push_back(std::move(*mapped));
    }
    if (const Result<void> taken = take_steps(belongings, resource, parts); !taken) {
      drop_all(parts);
      return std::unexpected(taken.error());
    }
  }
  return parts;
}

Result<TakenPart> ManagerCore::map_memory(const Belongings& belongings, const BackedMmioResource& where,
                                          std::size_t index) const {
  if (hooks_.memory == nullptr) {
    return fail(ErrorCode::kUnsupported, "\"{}\" has {}, and this machine maps no memory; give it a MemoryMapper",
                belongings.path(), to_string(where));
  }
  const std::span<std::byte> host = belongings.device->memory(index);
  if (host.size() != where.range.size()) {
    return fail(ErrorCode::kInvalidArgument, "\"{}\": the {} brings {:#x} bytes of memory for {}, which has {:#x}",
                belongings.path(), belongings.device->type(), host.size(), to_string(where), where.range.size());
  }
  Result<void> ready = step("map memory");
  auto part = ready ? hooks_.memory->map(where, host) : std::unexpected(ready.error());
  if (!part) return failed(belongings, part.error(), "mapping {}", to_string(where));
  return TakenPart{where, std::move(*part)};
}

Result<void> ManagerCore::take_steps(const Belongings& belongings, const Resource& resource,
                                     std::vector<TakenPart>& parts, const Resource* moved_from) const {
  const HandlerScope scope;
  for (AttachStep* taken : hooks_.steps) {
    Result<void> ready = step(taken->name());
    auto part = ready ? taken->take(resource, *belongings.device, moved_from) : std::unexpected(ready.error());
    if (!part) return failed(belongings, part.error(), "{} for {}", taken->name(), to_string(resource));
    if (*part) parts.push_back({resource, std::move(*part)});
  }
  return {};
}

Result<void> ManagerCore::register_ranges(const Belongings& belongings) const {
  const std::vector<PioRange> pio = belongings.resources().pio();
  const std::vector<MmioRange> mmio = belongings.resources().mmio();
  std::shared_ptr<DevicePio> pio_face;
  std::shared_ptr<DeviceMmio> mmio_face;
  {
    const HandlerScope scope;
    if (!pio.empty()) pio_face = belongings.device->pio();
    if (!mmio.empty()) mmio_face = belongings.device->mmio();
  }
  if ((!pio.empty() && !pio_face) || (!mmio.empty() && !mmio_face)) {
    return fail(ErrorCode::kInvalidArgument,
                "\"{}\": the {} has {} and does not answer there (its Device::{}() is null); let it ask for none",
                belongings.path(), belongings.device->type(),
                pio_face || pio.empty() ? to_string(MmioResource{mmio.front()}) : to_string(PioResource{pio.front()}),
                pio_face || pio.empty() ? "mmio" : "pio");
  }
  KEEL_TRY_VOID(step("register"));
  const Result<void> registered = io_.register_device(belongings.resources(), pio_face, mmio_face, belongings.path());
  if (!registered) return failed(belongings, registered.error(), "registration");
  return {};
}

void ManagerCore::settle(Belongings belongings) {
  {
    const Lock lock(mutex_);
    tree_.settle(belongings.grant.id(), std::move(belongings));
  }
  detach_dropped();
}

// On the thread that attaches, also inside a handler: no I/O has been in the device, so there is nothing to wait for;
// this thread was inside the device for assign() already, under whatever locks it holds; and whoever attaches may try
// again at once, since everything has gone back when this returns.
void ManagerCore::abandon(Belongings belongings, Assigned assigned) {
  {
    const Lock lock(mutex_);
    tree_.remove(belongings.grant.id());
  }
  release(std::move(belongings), assigned);
  detach_dropped();
}

}  // namespace keel::detail
