// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel/machine_map_text.h"

#include <iterator>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "tools/keel/map_rows.h"

namespace keel::tool {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kLeftColumns = 40;  // of a device's line, before its resources
constexpr std::string_view kFree = "(free)";

template <typename... Args>
void put(std::string& text, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
}

// Its resources, behind `line` where they fit there, else below.
void put_resources(std::string& text, std::string line, const DeviceResources& resources) {
  std::size_t indent = line.size();
  for (const Resource& resource : resources.all())
    if (indent + to_string(resource).size() + 1 > kColumns) indent = 8;
  if (indent < line.size()) {
    put(text, "{}\n", line);
    line.assign(indent, ' ');
  }
  for (std::size_t i = 0; i < resources.all().size(); ++i) {
    const std::string word = to_string(resources.all()[i]) + (i + 1 < resources.all().size() ? "," : "");
    if (line.size() > indent && line.size() + 1 + word.size() > kColumns) {
      put(text, "{}\n", line);
      line.assign(indent, ' ');
    }
    line += (line.size() > indent ? " " : "") + word;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  put(text, "{}\n", line);
}

void put_devices(std::string& text, const PlatformView& view) {
  put(text, "devices (type in parentheses: reserved, not Keel's to play)\n");
  for (const DeviceView& device : view.devices) {
    std::string line = fmt::format("{:>5}  {:{}}{}", device.id.value(), "", 2 * device.depth, device.name);
    const bool reserved = device.role == DeviceRole::kReservation;
    line = fmt::format("{:<25} {}", line, reserved ? fmt::format("({})", device.type) : device.type);
    put_resources(text, fmt::format("{:<{}}", line + " ", kLeftColumns), device.resources);
  }
}

void put_row(std::string& text, std::string_view left, std::string_view owner) {
  const bool fits = left.size() + 2 + owner.size() <= kColumns;
  put(text, "{}{}{}\n", left, fits ? "  " : "\n        ", owner);
}

template <typename A>
void put_space(std::string& text, std::string_view name, const std::optional<AddressSnapshot<A>>& space) {
  if (!space) return;
  put(text, "\n{} {}\n", name, space->managed);
  for (const AddressRow<A>& row : address_rows(*space)) {
    put_row(text, fmt::format("  {:<40} {:>#14x}", fmt::format("{}", row.range), row.range.size()),
            row.owner ? std::string_view(*row.owner) : kFree);
  }
}

template <typename Id, typename RunsOf>
void put_ids(std::string& text, std::string_view name, const std::optional<IdSnapshot<Id>>& space,
             const std::vector<Holding>& holdings, RunsOf runs_of) {
  if (!space) return;
  put(text, "\n{} {}\n", name, space->managed);
  for (const IdRow<Id>& row : id_rows(space->managed, holdings, runs_of))
    put_row(text, fmt::format("  {:<12}", fmt::format("{}", row.ids)),
            row.owner ? std::string_view(*row.owner) : kFree);
}

struct ConfigToText {
  std::string operator()(std::monostate /*none*/) const { return "not configured"; }
  std::string operator()(const LegacyIrqConfig& pin) const { return std::string(to_string(pin.trigger)); }
  std::string operator()(const MsiConfig& message) const { return fmt::format("{}", message); }
};

// "gsi 24  net0 1: msi 0x41 to 0xfee00000, irqfd, masked": the number behind the owner's name is the message's.
void put_interrupts(std::string& text, const std::vector<kvm::InterruptHolding>& holdings) {
  put(text, "\ninterrupts\n");
  for (const kvm::InterruptHolding& holding : holdings) {
    const bool is_pin = std::holds_alternative<LegacyIrqConfig>(holding.config);
    put(text, "  {:<12}  {}{}: {}, {}{}{}{}\n", holding.gsi ? fmt::format("gsi {}", *holding.gsi) : "no gsi",
        holding.owner, is_pin ? "" : fmt::format(" {}", holding.index), std::visit(ConfigToText(), holding.config),
        to_string(holding.path), holding.enabled ? "" : ", disabled", holding.masked ? ", masked" : "",
        holding.pending ? ", pending" : "");
  }
  if (holdings.empty()) put(text, "  (none)\n");
}

void put_doorbells(std::string& text, const std::vector<DoorbellHolding>& holdings) {
  put(text, "\ndoorbells, each an eventfd\n");
  for (const DoorbellHolding& holding : holdings) {
    const std::string doorbell = std::visit([](const auto& on) { return fmt::format("{}", on); }, holding.doorbell);
    put_row(text, fmt::format("  {:<12}", doorbell), holding.owner);
  }
  if (holdings.empty()) put(text, "  (none)\n");
}

}  // namespace

std::string to_text(const MachineMap& map) {
  std::string text;
  put_devices(text, map.devices);
  put(text, "\nram\n");
  for (const GuestRange range : map.ram) put(text, "  {:<40} {:>#14x}\n", fmt::format("{}", range), range.size());
  put_space(text, "pio", map.spaces.pio);
  put_space(text, "mmio below 4 GiB", map.spaces.mmio_low);
  put_space(text, "mmio above 4 GiB", map.spaces.mmio_high);
  put_ids(text, "irqs", map.spaces.legacy_irqs, map.spaces.holdings, irqs_of);
  put_ids(text, "msi gsis", map.spaces.msi, map.spaces.holdings, msis_of);
  put_ids(text, "memory slots", map.spaces.memory_slots, map.spaces.holdings, slots_of);
  put_interrupts(text, map.interrupts);
  put_doorbells(text, map.doorbells);
  return text;
}

}  // namespace keel::tool
