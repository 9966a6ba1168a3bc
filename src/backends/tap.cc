// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/backends/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "src/backends/fd_network.h"
#include "src/backends/tap_link.h"
#include "keel/base/try.h"

namespace keel {
namespace {

namespace spec = virtio_net;

constexpr std::uint16_t kSmallestMtu = 68;  // 5.1.4

enum class Queues : std::uint8_t { kOne, kSeveral };

ifreq request_for(const std::string& name, short flags) {
  ifreq request = {};
  std::ranges::copy(name, request.ifr_name);
  request.ifr_flags = flags;
  return request;
}

Result<UniqueFd> open_control() {
  UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (fd) return fd;
  if (errno == ENOENT || errno == ENODEV || errno == ENXIO) {
    return fail(ErrorCode::kUnsupported,
                "this host has no tap devices: /dev/net/tun is not there (as root: modprobe "
                "tun); user-mode networking needs none (--net user)");
  }
  return std::unexpected(system_error(errno, "/dev/net/tun"));
}

std::unexpected<Error> refusal(int error_number, const std::string& name) {
  switch (error_number) {
    case EBUSY:
      return fail(ErrorCode::kAlreadyExists, "tap {}: another program has it; a tap serves one at a time", name);
    case EPERM:
    case EACCES:
      return fail(ErrorCode::kPermissionDenied,
                  "tap {}: it is not this user's; as root: ip tuntap add dev {} mode tap user USER", name, name);
    case EINVAL:
      return fail(ErrorCode::kInvalidArgument, "tap {}: this interface is no tap (ip -d link show {})", name, name);
    default: return std::unexpected(system_error(error_number, "tap " + name));
  }
}

// One queue of the interface. Errno, where the host refuses.
Result<UniqueFd> open_queue(const std::string& name, Queues queues, int& error_number) {
  KEEL_TRY(UniqueFd fd, open_control());
  const int several = queues == Queues::kSeveral ? IFF_MULTI_QUEUE : 0;
  ifreq request = request_for(name, static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | several));
  error_number = ::ioctl(fd.get(), TUNSETIFF, &request) == 0 ? 0 : errno;
  return fd;
}

// The kernel refuses to attach twice only where a tap was made for one queue: of one that was made for several, whoever
// comes is one queue more, and gets a share of the frames.
bool is_attached(const std::string& name) {
  const auto link = find_tap_link(name);
  return link && link->queues_in_use > 0;
}

// A tap is made for one queue or for several, and must be opened as it was made.
Result<std::vector<UniqueFd>> open_queues(const TapOptions& options) {
  if (is_attached(options.name)) return refusal(EBUSY, options.name);
  std::vector<UniqueFd> queues;
  int error = 0;
  const auto form = options.queue_pairs > 1 ? Queues::kSeveral : Queues::kOne;
  KEEL_TRY(UniqueFd first, open_queue(options.name, form, error));
  if (error == EINVAL) {
    const auto other = form == Queues::kOne ? Queues::kSeveral : Queues::kOne;
    KEEL_TRY(first, open_queue(options.name, other, error));
    if (error != 0) return refusal(error, options.name);
    queues.push_back(std::move(first));
    return queues;
  }
  if (error != 0) return refusal(error, options.name);
  queues.push_back(std::move(first));
  while (queues.size() < options.queue_pairs) {
    KEEL_TRY(UniqueFd next, open_queue(options.name, form, error));
    if (error == E2BIG) break;  // the interface has no more
    if (error != 0) return refusal(error, options.name);
    queues.push_back(std::move(next));
  }
  return queues;
}

std::uint16_t mtu_of(const std::string& name) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = request_for(name, 0);
  if (!socket || ::ioctl(socket.get(), SIOCGIFMTU, &request) != 0) return 1500;
  return static_cast<std::uint16_t>(std::clamp<int>(request.ifr_mtu, kSmallestMtu, UINT16_MAX));
}

class Tap final : public FdNetwork {
 public:
  Tap(std::vector<UniqueFd> queues, const NetProperties& properties) : FdNetwork(std::move(queues), properties) {}

  Result<void> start(EventLoop& loop, std::uint64_t guest_offloads, NetListener& listener) override {
    unsigned long flags = 0;
    if ((guest_offloads & spec::kFeatureGuestChecksum) != 0) flags |= TUN_F_CSUM;
    if ((guest_offloads & spec::kFeatureGuestTso4) != 0) flags |= TUN_F_TSO4;
    if ((guest_offloads & spec::kFeatureGuestTso6) != 0) flags |= TUN_F_TSO6;
    if ((guest_offloads & spec::kFeatureGuestEcn) != 0) flags |= TUN_F_TSO_ECN;
    if (::ioctl(port(0), TUNSETOFFLOAD, flags) != 0)
      return std::unexpected(system_error(errno, "set the offloads of a tap"));
    KEEL_TRY_VOID(use_queue_pairs(1));
    return FdNetwork::start(loop, guest_offloads, listener);
  }

  // The interface spreads what it gets over the queues that are attached.
  Result<void> use_queue_pairs(std::uint16_t count) override {
    for (std::uint16_t pair = 1; pair < properties().queue_pairs; ++pair) {
      ifreq request = request_for("", pair < count ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE);
      // EINVAL: it is so already.
      if (::ioctl(port(pair), TUNSETQUEUE, &request) != 0 && errno != EINVAL)
        return std::unexpected(system_error(errno, "attach a queue of a tap"));
    }
    return {};
  }
};

bool can_be_a_name(std::string_view name) {
  return !name.empty() && name.size() < IFNAMSIZ && name.find_first_of("/%: ") == std::string_view::npos;
}

}  // namespace

std::optional<std::uint16_t> tap_queue_pairs(const TapOptions& options) {
  if (!can_be_a_name(options.name)) return std::nullopt;
  const auto link = find_tap_link(options.name);
  if (!link) return std::nullopt;
  return link->several_queues ? std::max(options.queue_pairs, std::uint16_t{1}) : std::uint16_t{1};
}

Result<std::unique_ptr<NetBackend>> open_tap(const TapOptions& options) {
  if (!can_be_a_name(options.name)) {
    return fail(ErrorCode::kInvalidArgument,
                "\"{}\" can be no interface's name: 1 to {} characters, without '/', ':', "
                "'%' and blanks",
                options.name, IFNAMSIZ - 1);
  }
  // The host would make one, connected to nothing and gone with this process.
  if (::if_nametoindex(options.name.c_str()) == 0) {
    return fail(
        ErrorCode::kNotFound,
        "tap {}: there is no such interface; as root: ip tuntap add dev {} mode tap user USER && ip link set {} up",
        options.name, options.name, options.name);
  }
  KEEL_TRY(std::vector<UniqueFd> queues, open_queues(options));
  for (const UniqueFd& queue : queues) {
    int header_size = sizeof(spec::Header);
    if (::ioctl(queue.get(), TUNSETVNETHDRSZ, &header_size) != 0)
      return std::unexpected(system_error(errno, "tap " + options.name));
  }
  const NetProperties properties{.offloads = spec::kHostOffloads | spec::kGuestOffloads,
                                 .mtu = mtu_of(options.name),
                                 .queue_pairs = static_cast<std::uint16_t>(queues.size())};
  return std::make_unique<Tap>(std::move(queues), properties);
}

}  // namespace keel
