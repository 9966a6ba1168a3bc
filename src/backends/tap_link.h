// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace keel {

// What the host says of a tap interface.
struct TapLink {
  bool several_queues;  // it was made with multi_queue
  // Queues that programs have, detached ones among them. Of a tap for one queue the host does not say: 0.
  std::uint32_t queues_in_use;
};

// Found out without attaching to it, by anybody, in the calling thread's network namespace. Nothing where there is no
// such tap, or the host does not tell. Source: rtnetlink(7), RTM_GETLINK; IFLA_TUN_* of linux/if_link.h (Linux 4.17).
[[nodiscard]] std::optional<TapLink> find_tap_link(const std::string& name);

}  // namespace keel
