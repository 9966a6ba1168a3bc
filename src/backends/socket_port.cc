// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/backends/socket_port.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "keel/backends/socket_port.h"
#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel {
namespace {

// Until a host that had no descriptor for a client is asked again.
constexpr std::chrono::milliseconds kRetry(100);

// Whether a socket at `address` is one that nobody listens on any more.
bool is_left_behind(const sockaddr_un& address) {
  // A file that is no socket refuses too, and is nobody's to remove.
  struct stat status = {};
  if (::lstat(static_cast<const char*>(address.sun_path), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return probe && ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
         errno == ECONNREFUSED;
}

}  // namespace

Result<std::shared_ptr<ConsolePort>> listen_port(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return fail(ErrorCode::kInvalidArgument, "socket \"{}\": a path has 1 to {} bytes", path,
                sizeof(address.sun_path) - 1);
  }
  std::memcpy(static_cast<void*>(address.sun_path), path.data(), path.size());
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return std::unexpected(system_error(errno, "socket"));
  const auto bind = [&] {
    return ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
  };
  int error = bind();
  if (error == EADDRINUSE && is_left_behind(address)) {
    ::unlink(path.c_str());
    error = bind();
  }
  if (error == EADDRINUSE) {
    return fail(ErrorCode::kAlreadyExists, "socket \"{}\": somebody has that already; choose another path", path);
  }
  if (error != 0) return std::unexpected(system_error(error, fmt::format("make socket \"{}\"", path)));
  if (::listen(listener.get(), 1) != 0)
    return std::unexpected(system_error(errno, fmt::format("listen on \"{}\"", path)));
  KEEL_TRY(EventFd changed, EventFd::create());
  return std::make_shared<SocketPort>(std::move(listener), std::move(changed), path);
}

SocketPort::SocketPort(UniqueFd listener, EventFd changed, std::string path)
    : listener_(std::move(listener)),
      changed_(std::move(changed)),
      path_(std::move(path)),
      listening_(listener_.get(), Readiness::kReadable) {}

SocketPort::~SocketPort() {
  listening_.stop_and_wait();
  if (retry_) retry_->drop_and_wait();
  ended_.drop_and_wait();
  ::unlink(path_.c_str());
}

Result<void> SocketPort::attach(EventLoop& loop, std::weak_ptr<ConsolePortUser> user, std::uint32_t port) {
  loop_ = &loop;
  user_ = std::move(user);
  port_ = port;
  KEEL_TRY(ended_, loop.watch(changed_.fd(), Readiness::kReadable, [this] { end_client(); }));
  KEEL_TRY(retry_, LoopTimer::create(loop, [this] { (void)listening_.rearm(); }));
  listening_.start(loop, [this] { accept(); });
  return listening_.rearm();
}

// On the loop.
void SocketPort::accept() {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  UniqueFd copy(fd ? ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0) : -1);
  if (!copy) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
      retry_->arm(kRetry);
    else
      (void)listening_.rearm();  // the client has gone again
    return;
  }
  const auto user = user_.lock();
  {
    const Lock lock(mutex_);
    client_ = std::make_unique<Client>(std::move(fd), std::move(copy));
    client_->readable.start(*loop_, [this] {
      if (const auto told = user_.lock()) told->input_ready(port_);
    });
    client_->writable.start(*loop_, [this] {
      if (const auto told = user_.lock()) told->output_ready(port_);
    });
    (void)client_->readable.rearm();
  }
  if (user) user->connection_changed(port_);
}

void SocketPort::lose_client() {
  gone_ = true;
  check(changed_.signal().has_value(), "the port's own eventfd takes a signal");
}

// On the loop.
void SocketPort::end_client() {
  check(changed_.drain().has_value(), "the port's own eventfd can be read");
  std::unique_ptr<Client> client;
  {
    const Lock lock(mutex_);
    if (!gone_) return;
    gone_ = false;
    client = std::move(client_);
  }
  client.reset();
  (void)listening_.rearm();
  const auto user = user_.lock();
  if (!user) return;
  user->connection_changed(port_);
  user->output_ready(port_);  // what waited for the client goes nowhere
}

std::size_t SocketPort::read(std::span<std::uint8_t> bytes) {
  const Lock lock(mutex_);
  if (!client_ || gone_ || bytes.empty()) return 0;
  const ssize_t count = ::recv(client_->fd.get(), bytes.data(), bytes.size(), 0);
  if (count > 0) return static_cast<std::size_t>(count);
  if (count < 0 && (errno == EAGAIN || errno == EINTR) && client_->readable.rearm()) return 0;
  lose_client();
  return 0;
}

std::size_t SocketPort::write(std::span<const std::uint8_t> bytes) {
  const Lock lock(mutex_);
  if (!client_ || gone_) return bytes.size();
  const ssize_t count = ::send(client_->fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (count > 0) return static_cast<std::size_t>(count);
  if (count < 0 && (errno == EAGAIN || errno == EINTR) && client_->writable.rearm()) return 0;
  lose_client();
  return bytes.size();
}

bool SocketPort::connected() const {
  const Lock lock(mutex_);
  return client_ && !gone_;
}

}  // namespace keel
