// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel/machine_map_json.h"

#include <optional>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/keel/ledger_json.h"
#include "tools/keel/map_rows.h"

namespace keel::tool {
namespace {

using Json = nlohmann::ordered_json;

template <typename A>
Json json_of(std::string_view kind, Range<A> range) {
  return {{"kind", kind}, {"first", range.first().value()}, {"last", range.last().value()}};
}

template <typename Id>
Json json_of(std::string_view kind, IdRange<Id> ids) {
  return {{"kind", kind}, {"first", ids.first().value()}, {"last", ids.last().value()}};
}

struct ResourceToJson {
  Json operator()(const PioResource& pio) const { return json_of("pio", pio.range); }
  Json operator()(const MmioResource& mmio) const { return json_of("mmio", mmio.range); }
  Json operator()(const BackedMmioResource& mmio) const {
    Json json = json_of("memory-backed mmio", mmio.range);
    json["slot"] = mmio.slot.value();
    return json;
  }
  Json operator()(const GuestMemoryResource& memory) const { return json_of("guest memory", memory.range); }
  Json operator()(const LegacyIrqResource& irq) const { return {{"kind", "irq"}, {"gsi", irq.gsi.value()}}; }
  Json operator()(const MsiResource& msi) const { return json_of(to_string(msi.kind), msi.gsis); }
  Json operator()(const MemorySlotResource& memory) const { return json_of("memory slots", memory.slots); }
  Json operator()(const MacAddressResource& mac) const {
    return {{"kind", "mac"}, {"mac", fmt::format("{}", mac.mac)}};
  }
};

Json json_of(const DeviceView& device) {
  Json resources = Json::array();
  for (const Resource& resource : device.resources.all()) resources.push_back(std::visit(ResourceToJson(), resource));
  return {
      {"id", device.id.value()},
      {"parent", device.parent ? Json(device.parent->value()) : Json()},
      {"name", device.name},
      {"path", device.path},
      {"type", device.type},
      {"role", to_string(device.role)},
      {"resources", std::move(resources)},
  };
}

// [{"first", "last", "owner"}], the owner null where nobody has it.
template <typename Rows, typename Bounds>
Json rows_json(const Rows& rows, Bounds bounds) {
  Json json = Json::array();
  for (const auto& row : rows) {
    json.push_back({{"first", bounds(row).first().value()},
                    {"last", bounds(row).last().value()},
                    {"owner", row.owner ? Json(*row.owner) : Json()}});
  }
  return json;
}

template <typename A>
Json space_json(const std::optional<AddressSnapshot<A>>& space) {
  if (!space) return {};
  return rows_json(address_rows(*space), [](const AddressRow<A>& row) { return row.range; });
}

template <typename Id, typename RunsOf>
Json ids_json(const std::optional<IdSnapshot<Id>>& space, const std::vector<Holding>& holdings, RunsOf runs_of) {
  if (!space) return {};
  return rows_json(id_rows(space->managed, holdings, runs_of), [](const IdRow<Id>& row) { return row.ids; });
}

Json json_of(const kvm::InterruptHolding& holding) {
  Json json = {{"gsi", holding.gsi ? Json(holding.gsi->value()) : Json()},
               {"owner", holding.owner},
               {"index", holding.index},
               {"path", to_string(holding.path)},
               {"enabled", holding.enabled},
               {"masked", holding.masked},
               {"pending", holding.pending}};
  if (const auto* pin = std::get_if<LegacyIrqConfig>(&holding.config)) json["trigger"] = to_string(pin->trigger);
  if (const auto* message = std::get_if<MsiConfig>(&holding.config)) {
    json["address"] = message->address.value();
    json["data"] = message->data;
  }
  return json;
}

// A doorbell that not only exact writes ring has no value.
template <typename A>
Json json_of(const std::string& owner, const DoorbellOn<A>& doorbell) {
  const bool exact = doorbell.match == DoorbellMatch::kExactWrite;
  return {{"kind", BusTraits<A>::kName},
          {"address", doorbell.address.value()},
          {"size", doorbell.size},
          {"match", to_string(doorbell.match)},
          {"value", exact ? Json(doorbell.value) : Json()},
          {"owner", owner}};
}

}  // namespace

std::string to_json(const MachineMap& map, const IoLedger* ledger) {
  const SystemSnapshot& spaces = map.spaces;
  Json devices = Json::array();
  for (const DeviceView& device : map.devices.devices) devices.push_back(json_of(device));
  Json ram = Json::array();
  for (const GuestRange range : map.ram)
    ram.push_back({{"first", range.first().value()}, {"last", range.last().value()}});
  Json interrupts = Json::array();
  for (const kvm::InterruptHolding& holding : map.interrupts) interrupts.push_back(json_of(holding));
  Json doorbells = Json::array();
  for (const DoorbellHolding& holding : map.doorbells)
    doorbells.push_back(std::visit([&](const auto& on) { return json_of(holding.owner, on); }, holding.doorbell));
  Json json = {
      {"devices", std::move(devices)},
      {"ram", std::move(ram)},
      {"pio", space_json(spaces.pio)},
      {"mmio_below_4gib", space_json(spaces.mmio_low)},
      {"mmio_above_4gib", space_json(spaces.mmio_high)},
      {"irqs", ids_json(spaces.legacy_irqs, spaces.holdings, irqs_of)},
      {"msi_gsis", ids_json(spaces.msi, spaces.holdings, msis_of)},
      {"memory_slots", ids_json(spaces.memory_slots, spaces.holdings, slots_of)},
      {"interrupts", std::move(interrupts)},
      {"doorbells", std::move(doorbells)},
  };
  if (ledger != nullptr) json["ledger"] = json_of(*ledger);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace keel::tool
