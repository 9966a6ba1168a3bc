// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel-slirp/slirp_stack.h"

#include <arpa/inet.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tools/keel-slirp/poll_events.h"
#include "keel/base/try.h"
#include "keel/devices/virtio_net_spec.h"

namespace keel::slirp {
namespace {

namespace spec = virtio_net;

in_addr address(std::uint8_t last) {
  in_addr result = {};
  result.s_addr = ::htonl(0x0a00'0200u + last);  // 10.0.2.0/24
  return result;
}

std::chrono::nanoseconds now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

// Takes what a socket takes: a descriptor of this process and a file of the host. None where either has run out.
UniqueFd take_descriptor() {
  return UniqueFd(::eventfd(0, EFD_CLOEXEC));
}

std::chrono::milliseconds now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(now());
}

}  // namespace

SlirpCb SlirpStack::callbacks() noexcept {
  SlirpCb result = {};
  result.send_packet = [](const void* bytes, std::size_t size, void* self) -> ssize_t {
    static_cast<SlirpStack*>(self)->to_guest({static_cast<const std::uint8_t*>(bytes), size});
    return static_cast<ssize_t>(size);
  };
  result.guest_error = [](const char*, void*) {};
  result.clock_get_ns = [](void*) -> std::int64_t { return now().count(); };
  result.timer_new = [](SlirpTimerCb callback, void* opaque, void* self) -> void* {
    auto& timers = static_cast<SlirpStack*>(self)->timers_;
    return timers.emplace_back(std::make_unique<Timer>(callback, opaque, std::nullopt)).get();
  };
  result.timer_free = [](void* timer, void* self) {
    std::erase_if(static_cast<SlirpStack*>(self)->timers_, [timer](const auto& held) { return held.get() == timer; });
  };
  result.timer_mod = [](void* timer, std::int64_t at, void*) {
    static_cast<Timer*>(timer)->at = std::chrono::milliseconds(at);
  };
  // All descriptors are asked for anew each time.
  result.register_poll_fd = [](int, void*) {};
  result.unregister_poll_fd = [](int, void*) {};
  result.notify = [](void*) {};
  return result;
}

Result<std::unique_ptr<SlirpStack>> SlirpStack::create(int socket, std::span<const HostForward> forwards) {
  std::unique_ptr<SlirpStack> stack(new SlirpStack(socket));
  static const SlirpCb functions = callbacks();  // libslirp keeps the address
  SlirpConfig config = {};
  config.version = 1;
  config.in_enabled = true;
  config.vnetwork = address(0);
  config.vnetmask.s_addr = ::htonl(0xffff'ff00);
  config.vhost = address(2);
  config.vnameserver = address(3);
  config.vdhcp_start = address(15);
  config.vhostname = "keel";
  config.if_mtu = kUserNetworkMtu;
  config.if_mru = kUserNetworkMtu;
  stack->slirp_ = ::slirp_new(&config, &functions, stack.get());
  if (stack->slirp_ == nullptr) return fail(ErrorCode::kIo, "libslirp does not start");
  for (const HostForward& forward : forwards) KEEL_TRY_VOID(stack->add_forward(forward));
  stack->find_listeners();
  stack->spare_ = take_descriptor();
  stack->buffer_.resize(sizeof(spec::Header) + spec::kLargestFrame);
  return stack;
}

SlirpStack::~SlirpStack() {
  if (slirp_ != nullptr) ::slirp_cleanup(slirp_);
}

Result<void> SlirpStack::add_forward(const HostForward& forward) {
  in_addr host = {};
  std::memcpy(&host.s_addr, forward.host_address.data(), forward.host_address.size());
  const int is_udp = forward.protocol == HostForward::Protocol::kUdp ? 1 : 0;
  if (::slirp_add_hostfwd(slirp_, is_udp, host, forward.host_port, address(15), forward.guest_port) == 0) return {};
  return std::unexpected(system_error(errno, "forward " + to_string(forward)));
}

void SlirpStack::fill(std::uint32_t& timeout) {
  const int wanted = POLLIN | (held_.empty() ? 0 : POLLOUT);
  polled_.assign(1, {.fd = socket_, .events = static_cast<short>(wanted), .revents = 0});
  ::slirp_pollfds_fill(
      slirp_, &timeout,
      [](int fd, int events, void* self) {
        auto& polled = static_cast<SlirpStack*>(self)->polled_;
        polled.push_back({.fd = fd, .events = to_poll(events), .revents = 0});
        return static_cast<int>(polled.size()) - 1;
      },
      this);
}

// There will be no others: only forwards listen, and they stay.
void SlirpStack::find_listeners() {
  std::uint32_t timeout = UINT32_MAX;
  fill(timeout);
  for (const pollfd& polled : polled_) {
    int listens = 0;
    socklen_t size = sizeof(listens);
    if (::getsockopt(polled.fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0)
      listeners_.push_back(polled.fd);
  }
}

// libslirp leaves a client that it has no descriptor for in its listener's queue, which then is ready for ever.
void SlirpStack::turn_away() {
  for (pollfd& polled : polled_) {
    if (polled.revents == 0 || std::ranges::find(listeners_, polled.fd) == listeners_.end()) continue;
    if (take_descriptor()) continue;
    spare_.reset();
    UniqueFd(::accept4(polled.fd, nullptr, nullptr, SOCK_CLOEXEC)).reset();
    spare_ = take_descriptor();
    polled.revents = 0;
  }
}

void SlirpStack::run() {
  for (;;) {
    std::uint32_t timeout = UINT32_MAX;
    fill(timeout);
    const int ready = ::poll(polled_.data(), polled_.size(), next_timeout(timeout));
    if (ready < 0 && errno != EINTR) return;
    if (held_.empty() || (polled_[0].revents & POLLOUT) != 0) send_held();
    turn_away();
    ::slirp_pollfds_poll(
        slirp_, ready < 0 ? 1 : 0,
        [](int index, void* self) {
          return from_poll(static_cast<SlirpStack*>(self)->polled_[static_cast<std::size_t>(index)]);
        },
        this);
    run_timers();
    if (!take_frames()) return;
  }
}

int SlirpStack::next_timeout(std::uint32_t wanted) const {
  std::int64_t timeout = wanted == UINT32_MAX ? -1 : static_cast<std::int64_t>(wanted);
  for (const auto& timer : timers_) {
    if (!timer->at) continue;
    const std::int64_t left = std::max<std::int64_t>((*timer->at - now_ms()).count(), 0);
    timeout = timeout < 0 ? left : std::min(timeout, left);
  }
  return static_cast<int>(std::min<std::int64_t>(timeout, INT32_MAX));
}

void SlirpStack::run_timers() {
  for (std::size_t i = 0; i < timers_.size(); ++i) {
    Timer& timer = *timers_[i];
    if (!timer.at || *timer.at > now_ms()) continue;
    timer.at.reset();
    timer.callback(timer.opaque);
  }
}

bool SlirpStack::take_frames() {
  for (int left = kBurst; left > 0; --left) {
    const ssize_t count = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (count <= 0) return false;
    if (static_cast<std::size_t>(count) <= sizeof(spec::Header)) continue;
    ::slirp_input(slirp_, buffer_.data() + sizeof(spec::Header),
                  static_cast<int>(count) - static_cast<int>(sizeof(spec::Header)));
  }
  return true;
}

void SlirpStack::to_guest(std::span<const std::uint8_t> frame) {
  // It was made on this machine and crossed no wire.
  spec::Header header = {};
  header.flags = spec::kFlagDataValid;
  if (held_.empty()) {
    std::array<iovec, 2> pieces = {iovec{.iov_base = &header, .iov_len = sizeof(header)},
                                   iovec{.iov_base = const_cast<std::uint8_t*>(frame.data()), .iov_len = frame.size()}};
    msghdr message = {};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    if (::sendmsg(socket_, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno != EAGAIN) return;
  }
  if (held_size_ + frame.size() > kMostHeld) return;
  std::vector<std::uint8_t> copy(sizeof(header) + frame.size());
  std::memcpy(copy.data(), &header, sizeof(header));
  std::ranges::copy(frame, copy.begin() + sizeof(header));
  held_size_ += frame.size();
  held_.push_back(std::move(copy));
}

void SlirpStack::send_held() {
  while (!held_.empty()) {
    const std::vector<std::uint8_t>& message = held_.front();
    if (::send(socket_, message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EAGAIN) return;
    held_size_ -= message.size() - sizeof(spec::Header);
    held_.pop_front();
  }
}

}  // namespace keel::slirp
