// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/mac_address.h"

#include <charconv>

namespace keel {

Result<MacAddress> MacAddress::parse(std::string_view text) {
  const auto refuse = [text] {
    return fail(ErrorCode::kInvalidArgument, "\"{}\" is not a MAC address; write it like 52:54:00:12:34:56", text);
  };
  MacAddress mac;
  if (text.size() != 6 * 3 - 1) return refuse();
  for (std::size_t i = 0; i < 6; ++i) {
    const char* begin = text.data() + i * 3;
    const auto [end, status] = std::from_chars(begin, begin + 2, mac.octets[i], 16);
    if (status != std::errc() || end != begin + 2 || (i < 5 && begin[2] != ':')) return refuse();
  }
  return mac;
}

}  // namespace keel
