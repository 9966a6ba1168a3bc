// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "keel/base/error.h"
#include "keel/base/event_loop.h"
#include "keel/devices/virtio_net_spec.h"

namespace keel {

struct NetProperties {
  // Those of virtio_net::kGuestOffloads and kHostOffloads that it can do.
  std::uint64_t offloads = 0;
  std::uint16_t mtu = 1500;       // bytes of a frame behind its Ethernet header, at least 68
  std::uint16_t queue_pairs = 1;  // at most; as many frames may go each way at the same time
};

// What a network says of itself, on the loop that it was started with, and under no lock of its own.
class NetListener {
 public:
  enum class Link : std::uint8_t { kUp, kDown };

  virtual ~NetListener() = default;
  // receive() has something. Said once; again only after receive() returned nothing. A listener that has no room stops
  // receiving, and is not bothered until it goes on.
  virtual void receivable(std::uint16_t pair) = 0;
  // There is room again after send() said kFull. Said once for that.
  virtual void sendable(std::uint16_t pair) = 0;
  virtual void link_changed(Link link) = 0;
};

// A network that frames come from and go to: a tap device, a user-mode stack, a fake in tests. Never blocks, whatever
// the other side does: what it cannot take it says, what it cannot deliver is lost, as on a wire.
//
// By one thread at a time (a device's lock), which need not be always the same. Frames are whole Ethernet frames
// without checksum sequence; their headers say which offloads apply, and `buffers` in them means nothing.
class NetBackend {
 public:
  enum class Sent : std::uint8_t { kSent, kFull };

  virtual ~NetBackend() = default;

  [[nodiscard]] virtual const NetProperties& properties() const noexcept = 0;

  // Frames may come from here on, on the first queue pair, with those of the guest offloads that are given. `listener`
  // is called on `loop`, always the same, until some time after stop() has returned: callbacks under way then, and the
  // listener's to ignore, come to their end before the backend does. Error: the host refuses.
  virtual Result<void> start(EventLoop& loop, std::uint64_t guest_offloads, NetListener& listener) = 0;
  virtual void stop() noexcept = 0;
  // 1 to properties().queue_pairs are in use. Error: the host refuses, and it stays as it was.
  virtual Result<void> use_queue_pairs(std::uint16_t count) = 0;

  // Takes a frame of up to kLargestFrame bytes, or says kFull, and then sendable() follows. A frame that the network
  // does not want, or while it is down, is gone: kSent.
  [[nodiscard]] virtual Sent send(std::uint16_t pair, const virtio_net::Header& header,
                                  std::span<const iovec> frame) = 0;
  // The next frame, into `buffer` of at least kLargestFrame bytes; its size, or 0 where there is none now.
  [[nodiscard]] virtual std::size_t receive(std::uint16_t pair, virtio_net::Header& header,
                                            std::span<std::uint8_t> buffer) = 0;
};

}  // namespace keel
