// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/backends/tap_link.h"

#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "keel/base/unique_fd.h"

namespace keel {
namespace {

using Bytes = std::span<const std::uint8_t>;

// The beginning of the bytes, or zeroes where there are too few.
template <typename T>
T read(Bytes bytes) {
  T value = {};
  if (bytes.size() >= sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

// The content of the first attribute of that type, or nothing.
Bytes attribute(Bytes attributes, std::uint16_t type) {
  while (attributes.size() >= sizeof(nlattr)) {
    const auto header = read<nlattr>(attributes);
    if (header.nla_len < sizeof(header) || header.nla_len > attributes.size()) break;
    if ((header.nla_type & NLA_TYPE_MASK) == type) return attributes.first(header.nla_len).subspan(sizeof(header));
    const std::size_t whole = (header.nla_len + std::size_t{NLA_ALIGNTO} - 1) / NLA_ALIGNTO * NLA_ALIGNTO;
    attributes = attributes.subspan(std::min(whole, attributes.size()));
  }
  return {};
}

// The attributes of an interface, in `room`; empty where the host does not answer so.
Bytes link_attributes(unsigned index, std::span<std::uint8_t> room) {
  struct {
    nlmsghdr header;
    ifinfomsg link;
  } request = {};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.link.ifi_index = static_cast<int>(index);
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket || ::send(socket.get(), &request, sizeof(request), 0) < 0) return {};
  const ssize_t got = ::recv(socket.get(), room.data(), room.size(), 0);
  const Bytes answer = room.first(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  const auto header = read<nlmsghdr>(answer);
  if (header.nlmsg_type != RTM_NEWLINK || header.nlmsg_len > answer.size() || header.nlmsg_len < sizeof(request))
    return {};
  return answer.first(header.nlmsg_len).subspan(sizeof(request));
}

}  // namespace

std::optional<TapLink> find_tap_link(const std::string& name) {
  const unsigned index = ::if_nametoindex(name.c_str());
  if (index == 0) return std::nullopt;
  std::array<std::uint8_t, 16 << 10> room;
  const Bytes info = attribute(link_attributes(index, room), IFLA_LINKINFO);
  const Bytes kind = attribute(info, IFLA_INFO_KIND);
  constexpr std::string_view kTun("tun", sizeof("tun"));  // with its end
  if (!std::ranges::equal(kind, kTun)) return std::nullopt;
  const Bytes tun = attribute(info, IFLA_INFO_DATA);
  if (read<std::uint8_t>(attribute(tun, IFLA_TUN_TYPE)) != IFF_TAP) return std::nullopt;
  return TapLink{.several_queues = read<std::uint8_t>(attribute(tun, IFLA_TUN_MULTI_QUEUE)) != 0,
                 .queues_in_use = read<std::uint32_t>(attribute(tun, IFLA_TUN_NUM_QUEUES)) +
                                  read<std::uint32_t>(attribute(tun, IFLA_TUN_NUM_DISABLED_QUEUES))};
}

}  // namespace keel
