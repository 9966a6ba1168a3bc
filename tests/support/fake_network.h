// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "keel/bus/handler_scope.h"
#include "keel/devices/net_backend.h"

namespace keel::testing {

struct Frame {
  virtio_net::Header header = {};
  std::vector<std::uint8_t> bytes;
};

// A network whose other end is the test.
class FakeNetwork final : public NetBackend {
 public:
  // What the test keeps of it, once the device owns it.
  struct Wire {
    std::deque<Frame> incoming;
    std::vector<Frame> outgoing;
    std::size_t room = SIZE_MAX;  // frames that it takes
    NetListener* listener = nullptr;
    std::uint64_t guest_offloads = 0;
    std::uint16_t pairs = 1;
    std::vector<std::uint16_t> sent_on;  // the pair of each outgoing frame
    bool refuses_to_start = false;
    bool asked_in_handler = false;  // the last time: inside an I/O handler
  };

  FakeNetwork(NetProperties properties, Wire& wire) : properties_(properties), wire_(wire) {}

  [[nodiscard]] const NetProperties& properties() const noexcept override { return properties_; }
  Result<void> start(EventLoop& /*loop*/, std::uint64_t guest_offloads, NetListener& listener) override {
    if (wire_.refuses_to_start) return fail(ErrorCode::kIo, "fake network refuses");
    wire_.listener = &listener;
    wire_.guest_offloads = guest_offloads;
    return {};
  }
  void stop() noexcept override { wire_.listener = nullptr; }
  Result<void> use_queue_pairs(std::uint16_t count) override {
    wire_.pairs = count;
    return {};
  }
  [[nodiscard]] Sent send(std::uint16_t pair, const virtio_net::Header& header, std::span<const iovec> frame) override {
    wire_.asked_in_handler = in_io_handler();
    if (wire_.room == 0) return Sent::kFull;
    --wire_.room;
    Frame sent{.header = header, .bytes = {}};
    for (const iovec& piece : frame) {
      const auto* const bytes = static_cast<const std::uint8_t*>(piece.iov_base);
      sent.bytes.insert(sent.bytes.end(), bytes, bytes + piece.iov_len);
    }
    wire_.outgoing.push_back(std::move(sent));
    wire_.sent_on.push_back(pair);
    return Sent::kSent;
  }
  [[nodiscard]] std::size_t receive(std::uint16_t /*pair*/, virtio_net::Header& header,
                                    std::span<std::uint8_t> buffer) override {
    wire_.asked_in_handler = in_io_handler();
    if (wire_.incoming.empty()) return 0;
    const Frame frame = std::move(wire_.incoming.front());
    wire_.incoming.pop_front();
    header = frame.header;
    std::ranges::copy(frame.bytes, buffer.begin());
    return frame.bytes.size();
  }

 private:
  const NetProperties properties_;
  Wire& wire_;
};

}  // namespace keel::testing
