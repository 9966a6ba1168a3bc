// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/machine_config.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "keel/base/try.h"
#include "keel/devices/virtio_console.h"

namespace keel {
namespace {

// How far a number with that unit is shifted to make bytes; nothing where there is no such unit.
std::optional<unsigned> unit_shift(std::string_view unit) {
  if (unit.empty()) return 0;
  if (unit == "K" || unit == "k") return 10;
  if (unit == "M" || unit == "m") return 20;
  if (unit == "G" || unit == "g") return 30;
  if (unit == "T" || unit == "t") return 40;
  return std::nullopt;
}

// The first two of `things` for which `key` says the same; what has no key is like nothing.
template <typename Things, typename Key>
std::optional<std::pair<std::size_t, std::size_t>> twins(const Things& things, Key key) {
  for (std::size_t later = 1; later < things.size(); ++later)
    for (std::size_t earlier = 0; key(things[later]) && earlier < later; ++earlier)
      if (key(things[earlier]) == key(things[later])) return std::pair(earlier, later);
  return std::nullopt;
}

Result<void> check_networks(const std::vector<NetConfig>& networks) {
  if (const auto same = twins(networks, [](const NetConfig& network) { return network.tap; })) {
    return fail(
        ErrorCode::kInvalidArgument,
        "networks net{} and net{} are both to have tap {}, which serves one at a time; give each a tap of its own",
        same->first, same->second, *networks[same->first].tap);
  }
  if (const auto same = twins(networks, [](const NetConfig& network) { return network.mac; })) {
    return fail(
        ErrorCode::kInvalidArgument,
        "networks net{} and net{} are both to have the MAC address {}; give each its own, or none for a random one",
        same->first, same->second, *networks[same->first].mac);
  }
  return {};
}

Result<void> check_ports(const MachineConfig& config) {
  const std::size_t most = VirtioConsole::kMaxPorts - (config.console_output ? 1 : 0);
  if (config.ports.size() > most) {
    return fail(ErrorCode::kInvalidArgument,
                "{} ports asked for; a machine has up to {}, and the console is one of them", config.ports.size(),
                VirtioConsole::kMaxPorts);
  }
  for (const PortConfig& port : config.ports) {
    if (port.name.size() > VirtioConsole::kLongestName) {
      return fail(ErrorCode::kInvalidArgument, "port \"{}\": a name has at most {} bytes, and this has {}", port.name,
                  VirtioConsole::kLongestName, port.name.size());
    }
    if (config.console_output && port.name == kConsolePortName) {
      return fail(ErrorCode::kInvalidArgument,
                  "port \"{}\" for socket \"{}\" has the name of the console's own port; choose another", port.name,
                  port.socket);
    }
  }
  if (const auto same = twins(config.ports, [](const PortConfig& port) { return std::optional(port.name); })) {
    return fail(
        ErrorCode::kInvalidArgument,
        "the ports of sockets \"{}\" and \"{}\" are both named \"{}\", and a guest knows them by name; choose another",
        config.ports[same->first].socket, config.ports[same->second].socket, config.ports[same->first].name);
  }
  return {};
}

}  // namespace

Result<void> check_devices(const MachineConfig& config) {
  KEEL_TRY_VOID(check_networks(config.networks));
  return check_ports(config);
}

unsigned device_thread_count(const MachineConfig& config) noexcept {
  const auto busy = static_cast<unsigned>(config.disks.size() + config.networks.size());
  return std::clamp(busy, 1u, config.device_threads.value_or(MachineConfig::kMaxDeviceThreads));
}

Result<std::uint64_t> parse_memory_size(std::string_view text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  const auto shift = unit_shift(unit);
  if (error == std::errc::invalid_argument || !shift) {
    return fail(ErrorCode::kInvalidArgument, "\"{}\" is no memory size; write bytes, or 512M, 2G and the like", text);
  }
  if (error == std::errc::result_out_of_range || number > (std::numeric_limits<std::uint64_t>::max() >> *shift)) {
    return fail(ErrorCode::kInvalidArgument, "memory size \"{}\" does not fit into 64 bits", text);
  }
  return number << *shift;
}

}  // namespace keel
