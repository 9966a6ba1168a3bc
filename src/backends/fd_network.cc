// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/backends/fd_network.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <utility>

#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel {
namespace {

// Until a loop that had no room for a descriptor is asked again.
constexpr std::chrono::milliseconds kRetry(100);

bool would_wait(int error_number) {
  return error_number == EAGAIN || error_number == EWOULDBLOCK || error_number == ENOBUFS;
}

// A socket whose other end is gone raises no signal; a tap takes no flags.
ssize_t write_frame(int fd, std::span<iovec> pieces) {
  const msghdr message = {.msg_name = nullptr,
                          .msg_namelen = 0,
                          .msg_iov = pieces.data(),
                          .msg_iovlen = pieces.size(),
                          .msg_control = nullptr,
                          .msg_controllen = 0,
                          .msg_flags = 0};
  ssize_t count = 0;
  do {
    count = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno == ENOTSOCK) count = ::writev(fd, pieces.data(), static_cast<int>(pieces.size()));
  } while (count < 0 && errno == EINTR);
  return count;
}

}  // namespace

FdNetwork::Port::Port(UniqueFd descriptor, UniqueFd copy)
    : fd(std::move(descriptor)),
      writable_fd(std::move(copy)),
      readable(fd.get(), Readiness::kReadable),
      writable(writable_fd.get(), Readiness::kWritable) {}

FdNetwork::FdNetwork(std::vector<UniqueFd> ports, const NetProperties& properties) : properties_(properties) {
  for (UniqueFd& fd : ports) {
    UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    ports_.push_back(std::make_unique<Port>(std::move(fd), std::move(copy)));
  }
}

FdNetwork::~FdNetwork() {
  if (retry_) retry_->drop_and_wait();
}

void FdNetwork::tell(NetListener& listener, Port& port, std::uint16_t pair) {
  if (port.gone.load()) return listener.link_changed(NetListener::Link::kDown);
  listener.receivable(pair);
}

Result<void> FdNetwork::start(EventLoop& loop, std::uint64_t /*guest_offloads*/, NetListener& listener) {
  if (!retry_) {
    KEEL_TRY(retry_, LoopTimer::create(loop, [this] { listen_again(); }));
  }
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    Port& port = *ports_[i];
    port.unheard.store(false);
    const auto pair = static_cast<std::uint16_t>(i);
    port.readable.start(loop, [&listener, &port, pair] { tell(listener, port, pair); });
    port.writable.start(loop, [&listener, pair] { listener.sendable(pair); });
    KEEL_TRY_VOID(port.readable.rearm());
  }
  return {};
}

// A host may be short of memory, or of watches for this user (epoll(7)), for a moment.
void FdNetwork::listen(Port& port) {
  if (port.readable.rearm()) return;
  port.unheard.store(true);
  retry_->arm(kRetry);
}

// On the loop.
void FdNetwork::listen_again() {
  for (const auto& port : ports_)
    if (port->unheard.exchange(false)) listen(*port);
}

void FdNetwork::stop() noexcept {
  for (const auto& port : ports_) {
    port->readable.stop();
    port->writable.stop();
  }
}

Result<void> FdNetwork::use_queue_pairs(std::uint16_t count) {
  check(count >= 1 && count <= ports_.size(), "a network uses one of its queue pairs at least");
  return {};
}

NetBackend::Sent FdNetwork::send(std::uint16_t pair, const virtio_net::Header& header, std::span<const iovec> frame) {
  Port& port = *ports_[pair];
  // A chain of more pieces than one call takes is nobody's frame.
  if (port.gone.load() || frame.size() >= IOV_MAX) return Sent::kSent;
  virtio_net::Header copy = header;
  copy.buffers = 0;
  pieces_.assign(1, {.iov_base = &copy, .iov_len = sizeof(copy)});
  pieces_.insert(pieces_.end(), frame.begin(), frame.end());
  if (write_frame(port.fd.get(), pieces_) >= 0 || !would_wait(errno)) return Sent::kSent;
  return port.writable.rearm() ? Sent::kFull : Sent::kSent;
}

std::size_t FdNetwork::receive(std::uint16_t pair, virtio_net::Header& header, std::span<std::uint8_t> buffer) {
  Port& port = *ports_[pair];
  for (;;) {
    std::array<iovec, 2> pieces = {iovec{.iov_base = &header, .iov_len = sizeof(header)},
                                   iovec{.iov_base = buffer.data(), .iov_len = buffer.size()}};
    const ssize_t count = ::readv(port.fd.get(), pieces.data(), static_cast<int>(pieces.size()));
    if (count > static_cast<ssize_t>(sizeof(header))) return static_cast<std::size_t>(count) - sizeof(header);
    if (count > 0 || (count < 0 && errno == EINTR)) continue;  // no frame in it
    // The end, or an error: a device that was taken away. The loop says so, where no lock of the listener's is held.
    if (count == 0 || !would_wait(errno)) port.gone.store(true);
    listen(port);
    return 0;
  }
}

}  // namespace keel
