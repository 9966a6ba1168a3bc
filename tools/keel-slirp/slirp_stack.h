// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <poll.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <slirp/libslirp.h>

#include "keel/backends/user_network.h"
#include "keel/base/error.h"
#include "keel/base/unique_fd.h"

namespace keel::slirp {

// libslirp between a socket of frames (one a message, a virtio-net header ahead) and this host's own sockets. One
// thread.
class SlirpStack {
 public:
  // `socket` is non-blocking and stays the caller's. Error: a forward's port cannot be had.
  [[nodiscard]] static Result<std::unique_ptr<SlirpStack>> create(int socket, std::span<const HostForward> forwards);
  ~SlirpStack();
  SlirpStack(const SlirpStack&) = delete;
  SlirpStack& operator=(const SlirpStack&) = delete;

  // Serves until the other end of the socket is closed.
  void run();

 private:
  struct Timer {
    SlirpTimerCb callback;
    void* opaque;
    std::optional<std::chrono::milliseconds> at;  // of the monotonic clock
  };
  static constexpr std::size_t kMostHeld = 4 << 20;  // bytes for a guest that does not read; beyond, frames are lost
  static constexpr int kBurst = 64;                  // frames taken from the guest before the host's sockets are served

  explicit SlirpStack(int socket) noexcept : socket_(socket) {}
  [[nodiscard]] static SlirpCb callbacks() noexcept;
  Result<void> add_forward(const HostForward& forward);
  void fill(std::uint32_t& timeout);
  void find_listeners();
  void turn_away();
  [[nodiscard]] int next_timeout(std::uint32_t wanted) const;
  void run_timers();
  // False where there will be no more.
  [[nodiscard]] bool take_frames();
  void to_guest(std::span<const std::uint8_t> frame);
  void send_held();

  const int socket_;
  Slirp* slirp_ = nullptr;
  std::vector<pollfd> polled_;  // the socket first
  std::vector<int> listeners_;  // libslirp's, of forwarded TCP ports
  UniqueFd spare_;              // for a client that is turned away
  std::vector<std::unique_ptr<Timer>> timers_;
  std::deque<std::vector<std::uint8_t>> held_;  // messages that the socket had no room for
  std::size_t held_size_ = 0;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace keel::slirp
