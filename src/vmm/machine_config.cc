// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/machine_config.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <system_error>

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

}  // namespace

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
