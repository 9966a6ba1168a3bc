// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "keel/base/mutex.h"
#include "keel/bus/handler_scope.h"
#include "keel/devices/console_port.h"

namespace keel {

// The host side of a port, as the test plays it. Any thread.
class FakeConsolePort final : public ConsolePort {
 public:
  Result<void> attach(EventLoop& /*loop*/, std::weak_ptr<ConsolePortUser> user, std::uint32_t port) override {
    user_ = std::move(user);
    port_ = port;
    return {};
  }
  std::size_t read(std::span<std::uint8_t> bytes) override {
    const Lock lock(mutex_);
    asked_in_handler_ = in_io_handler();
    const std::size_t count = std::min(bytes.size(), input_.size());
    std::copy_n(input_.begin(), count, bytes.begin());
    input_.erase(0, count);
    return count;
  }
  std::size_t write(std::span<const std::uint8_t> bytes) override {
    const Lock lock(mutex_);
    asked_in_handler_ = in_io_handler();
    const std::size_t count = std::min(bytes.size(), room_);
    room_ -= count;
    output_.append(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  [[nodiscard]] bool connected() const override {
    const Lock lock(mutex_);
    asked_in_handler_ = in_io_handler();
    return connected_;
  }

  // Somebody outside types.
  void type(std::string_view text) {
    {
      const Lock lock(mutex_);
      input_ += text;
    }
    if (const auto user = user_.lock()) user->input_ready(port_);
  }
  // It takes no more than `bytes` from now on.
  void limit(std::size_t bytes) {
    {
      const Lock lock(mutex_);
      room_ = bytes;
    }
    if (const auto user = user_.lock()) user->output_ready(port_);
  }
  enum class Outside : std::uint8_t { kNobody, kSomebody };
  void connect(Outside outside) {
    {
      const Lock lock(mutex_);
      connected_ = outside == Outside::kSomebody;
    }
    if (const auto user = user_.lock()) user->connection_changed(port_);
  }
  [[nodiscard]] std::string output() const {
    const Lock lock(mutex_);
    return output_;
  }
  [[nodiscard]] std::size_t unread() const {
    const Lock lock(mutex_);
    return input_.size();
  }
  // Whether it was asked for something, the last time, inside an I/O handler.
  [[nodiscard]] bool asked_in_handler() const {
    const Lock lock(mutex_);
    return asked_in_handler_;
  }

 private:
  std::weak_ptr<ConsolePortUser> user_;
  std::uint32_t port_ = 0;
  mutable Mutex mutex_;
  std::string input_ KEEL_GUARDED_BY(mutex_);
  std::string output_ KEEL_GUARDED_BY(mutex_);
  std::size_t room_ KEEL_GUARDED_BY(mutex_) = SIZE_MAX;
  bool connected_ KEEL_GUARDED_BY(mutex_) = true;
  mutable bool asked_in_handler_ KEEL_GUARDED_BY(mutex_) = false;
};

}  // namespace keel
