// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "src/base/once_watch.h"
#include "keel/base/event_fd.h"
#include "keel/base/loop_timer.h"
#include "keel/base/mutex.h"
#include "keel/base/unique_fd.h"
#include "keel/devices/console_port.h"

namespace keel {

// Lock order: the device's, this, those of the watches. The user is called under none of these. Clients come and go on
// the loop's thread only, so that nobody waits there for one of its own callbacks.
class SocketPort final : public ConsolePort {
 public:
  // `listener` is non-blocking and bound to `path`.
  SocketPort(UniqueFd listener, EventFd changed, std::string path);
  ~SocketPort() override;

  Result<void> attach(EventLoop& loop, std::weak_ptr<ConsolePortUser> user, std::uint32_t port) override;
  [[nodiscard]] std::size_t read(std::span<std::uint8_t> bytes) override;
  [[nodiscard]] std::size_t write(std::span<const std::uint8_t> bytes) override;
  [[nodiscard]] bool connected() const override;

 private:
  struct Client {
    Client(UniqueFd descriptor, UniqueFd copy)
        : fd(std::move(descriptor)),
          writable_fd(std::move(copy)),
          readable(fd.get(), Readiness::kReadable),
          writable(writable_fd.get(), Readiness::kWritable) {}
    UniqueFd fd;
    UniqueFd writable_fd;  // the same, since a loop watches a descriptor for one thing
    OnceWatch readable;
    OnceWatch writable;
  };

  void accept();
  void end_client();
  void lose_client() KEEL_REQUIRES(mutex_);

  const UniqueFd listener_;
  const EventFd changed_;  // the client has gone
  const std::string path_;
  EventLoop* loop_ = nullptr;  // these three are set once, before anything happens
  std::weak_ptr<ConsolePortUser> user_;
  std::uint32_t port_ = 0;
  mutable Mutex mutex_;
  std::unique_ptr<Client> client_ KEEL_GUARDED_BY(mutex_);
  bool gone_ KEEL_GUARDED_BY(mutex_) = false;  // the client has, and end_client() comes
  OnceWatch listening_;
  std::optional<LoopTimer> retry_;  // set once; listens again
  Watch ended_;
};

}  // namespace keel
