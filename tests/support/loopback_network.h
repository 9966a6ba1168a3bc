// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "keel/base/check.h"
#include "keel/base/event_fd.h"
#include "keel/base/try.h"
#include "keel/devices/net_backend.h"

namespace keel::testing {

// A network that sends each frame back, a little later: on the loop, as a network of the host's does.
class LoopbackNetwork final : public NetBackend {
 public:
  LoopbackNetwork() : event_(EventFd::create().value()) {}
  ~LoopbackNetwork() override { watch_.drop_and_wait(); }

  [[nodiscard]] const NetProperties& properties() const noexcept override { return properties_; }
  Result<void> start(EventLoop& loop, std::uint64_t /*guest_offloads*/, NetListener& listener) override {
    listener_ = &listener;
    if (std::exchange(watched_, true)) return {};
    KEEL_TRY(watch_, loop.watch(event_.fd(), Readiness::kReadable, [this] {
      check(event_.drain().has_value(), "an eventfd can be read");
      if (NetListener* const told = listener_) told->receivable(0);
    }));
    return {};
  }
  void stop() noexcept override {
    listener_ = nullptr;
    frames_.clear();
    told_ = false;
  }
  Result<void> use_queue_pairs(std::uint16_t /*count*/) override { return {}; }
  [[nodiscard]] Sent send(std::uint16_t /*pair*/, const virtio_net::Header& /*header*/,
                          std::span<const iovec> frame) override {
    if (frames_.size() == kRoom) return Sent::kSent;  // lost, as on a wire
    std::vector<std::uint8_t>& bytes = frames_.emplace_back();
    for (const iovec& piece : frame) {
      const auto* const at = static_cast<const std::uint8_t*>(piece.iov_base);
      bytes.insert(bytes.end(), at, at + piece.iov_len);
    }
    if (!std::exchange(told_, true)) check(event_.signal().has_value(), "an eventfd can be written");
    return Sent::kSent;
  }
  [[nodiscard]] std::size_t receive(std::uint16_t /*pair*/, virtio_net::Header& header,
                                    std::span<std::uint8_t> buffer) override {
    if (frames_.empty()) {
      told_ = false;
      return 0;
    }
    const std::vector<std::uint8_t> frame = std::move(frames_.front());
    frames_.pop_front();
    header = {};
    std::ranges::copy(frame, buffer.begin());
    return frame.size();
  }

 private:
  static constexpr std::size_t kRoom = 64;

  const NetProperties properties_;
  const EventFd event_;
  std::atomic<NetListener*> listener_ = nullptr;
  bool watched_ = false;
  bool told_ = false;  // that there are frames, and not yet that there are none
  std::deque<std::vector<std::uint8_t>> frames_;
  Watch watch_;
};

}  // namespace keel::testing
