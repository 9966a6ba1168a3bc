// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string_view>

#include <fmt/format.h>

#include "keel/base/error.h"

namespace keel {

// An EUI-48 in transmission order. Written "52:54:00:12:34:56".
struct MacAddress {
  std::array<std::uint8_t, 6> octets{};

  // Six pairs of hexadecimal digits with colons between. Error: kInvalidArgument.
  [[nodiscard]] static Result<MacAddress> parse(std::string_view text);
  // Group addresses (IEEE 802, the lowest bit of the first octet) cannot be a device's own.
  [[nodiscard]] bool is_multicast() const noexcept { return (octets[0] & 1) != 0; }

  friend auto operator<=>(const MacAddress&, const MacAddress&) = default;
};

}  // namespace keel

template <>
struct fmt::formatter<keel::MacAddress> {
  constexpr auto parse(format_parse_context& context) { return context.begin(); }
  auto format(const keel::MacAddress& mac, format_context& context) const {
    const auto& o = mac.octets;
    return fmt::format_to(context.out(), "{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", o[0], o[1], o[2], o[3], o[4],
                          o[5]);
  }
};
