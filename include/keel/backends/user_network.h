// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keel/base/error.h"
#include "keel/devices/net_backend.h"

namespace keel {

// A port of this host whose connections go to a port of the guest.
struct HostForward {
  enum class Protocol : std::uint8_t { kTcp, kUdp };

  Protocol protocol = Protocol::kTcp;
  std::array<std::uint8_t, 4> host_address = {127, 0, 0, 1};
  std::uint16_t host_port = 0;
  std::uint16_t guest_port = 0;
  friend bool operator==(const HostForward&, const HostForward&) = default;
};
// "tcp:127.0.0.1:8080-:80"; without an address ("tcp::8080-:80") it is that one. Error kInvalidArgument.
[[nodiscard]] Result<HostForward> parse_host_forward(std::string_view text);
[[nodiscard]] std::string to_string(const HostForward& forward);

// The guest's MTU. Nothing crosses a wire: connections end in libslirp, and the host's own stack makes packets of them.
// Large, since each frame costs a system call or two; but libslirp's TCP has no window scaling (RFC 7323), and of 64
// KiB on their way a few frames are better than one, which the sender would wait for.
inline constexpr std::uint16_t kUserNetworkMtu = 16384;

struct UserNetworkOptions {
  std::vector<HostForward> forwards;
  // The program that does it; without: "keel-slirp" beside this process's own executable.
  std::string program;
};

// A network of its own for one guest: 10.0.2.0/24 with DHCP, gateway and host at 10.0.2.2, name server at 10.0.2.3.
// What the guest connects to, this user connects to, by the host's sockets; needs no root. IPv6 is off.
//
// libslirp, which reads what guests send, runs as a program of its own that shares no memory with this one: a fault
// there takes the guest's link down and nothing else. It ends when this does. Errors: kNotFound (the program), kIo
// with what it says: a port that is taken.
[[nodiscard]] Result<std::unique_ptr<NetBackend>> start_user_network(const UserNetworkOptions& options);

}  // namespace keel
