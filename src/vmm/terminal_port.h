// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "src/base/once_watch.h"
#include "keel/base/event_fd.h"
#include "keel/base/event_loop.h"
#include "keel/base/mutex.h"
#include "keel/base/unique_fd.h"
#include "keel/devices/console_port.h"

namespace keel {

// The terminal as the host side of a console device's port: prints to a descriptor, takes what is typed. A reader that
// has gone away loses output silently; one that is slow holds up what prints there, and no more.
class TerminalPort final : public ConsolePort {
 public:
  static constexpr std::size_t kTypeAhead = 256;

  // `output`, which stays the caller's, and `room` outlive this.
  TerminalPort(int output, const EventFd& room);

  // Types; returns how many bytes it took. After fewer than there were, `room` is signalled when it has room again.
  // From any thread.
  [[nodiscard]] std::size_t type(std::span<const std::uint8_t> bytes);

  Result<void> attach(EventLoop& loop, std::weak_ptr<ConsolePortUser> user, std::uint32_t port) override;
  [[nodiscard]] std::size_t read(std::span<std::uint8_t> bytes) override;
  [[nodiscard]] std::size_t write(std::span<const std::uint8_t> bytes) override;

 private:
  const UniqueFd own_;  // the same terminal or pipe, made not to wait; none where that cannot be
  const int output_;
  const EventFd& room_;
  std::weak_ptr<ConsolePortUser> user_;  // set once, before anything happens
  std::uint32_t port_ = 0;
  OnceWatch writable_;
  Mutex mutex_;
  std::vector<std::uint8_t> typed_ KEEL_GUARDED_BY(mutex_);
  bool refused_ KEEL_GUARDED_BY(mutex_) = false;  // type() took less than it was given
};

}  // namespace keel
