// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keel/backends/user_network.h"
#include "keel/base/error.h"
#include "keel/devices/block_backend.h"
#include "keel/resource/mac_address.h"

namespace keel {

struct DiskConfig {
  std::string path;
  DiskProperties::Access access = DiskProperties::Access::kReadWrite;
  friend bool operator==(const DiskConfig&, const DiskConfig&) = default;
};

struct NetConfig {
  std::optional<std::string> tap;     // an interface of the host; without: user-mode networking
  std::vector<HostForward> forwards;  // of user-mode networking
  std::optional<MacAddress> mac;      // without: a random one
  friend bool operator==(const NetConfig&, const NetConfig&) = default;
};

// A channel to the guest: /dev/virtio-ports/NAME there, a Unix socket here.
struct PortConfig {
  std::string name;
  std::string socket;
  friend bool operator==(const PortConfig&, const PortConfig&) = default;
};

// As on the command line. Error kInvalidArgument says what was wrong with the text and what is right.
// "FILE" or "FILE,ro"; a comma that belongs to the name is doubled.
[[nodiscard]] Result<DiskConfig> parse_disk(std::string_view text);
// "user" or "tap=NAME", then any of ",hostfwd=tcp:127.0.0.1:8080-:80" (user only) and ",mac=52:54:00:12:34:56".
[[nodiscard]] Result<NetConfig> parse_net(std::string_view text);
// "NAME=SOCKET".
[[nodiscard]] Result<PortConfig> parse_port(std::string_view text);

}  // namespace keel
