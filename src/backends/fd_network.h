// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "src/base/once_watch.h"
#include "keel/base/error.h"
#include "keel/base/event_loop.h"
#include "keel/base/loop_timer.h"
#include "keel/base/unique_fd.h"
#include "keel/devices/net_backend.h"

namespace keel {

// A network behind descriptors, one for each queue pair, that read and write one frame a call, its virtio header ahead:
// a tap's queues, or a socket that keeps messages apart. All of them are non-blocking.
class FdNetwork : public NetBackend {
 public:
  FdNetwork(std::vector<UniqueFd> ports, const NetProperties& properties);
  ~FdNetwork() override;
  FdNetwork(const FdNetwork&) = delete;
  FdNetwork& operator=(const FdNetwork&) = delete;

  [[nodiscard]] const NetProperties& properties() const noexcept override { return properties_; }
  Result<void> start(EventLoop& loop, std::uint64_t guest_offloads, NetListener& listener) override;
  void stop() noexcept override;
  Result<void> use_queue_pairs(std::uint16_t count) override;
  [[nodiscard]] Sent send(std::uint16_t pair, const virtio_net::Header& header, std::span<const iovec> frame) override;
  [[nodiscard]] std::size_t receive(std::uint16_t pair, virtio_net::Header& header,
                                    std::span<std::uint8_t> buffer) override;

 protected:
  [[nodiscard]] int port(std::size_t pair) const noexcept { return ports_[pair]->fd.get(); }

 private:
  struct Port {
    Port(UniqueFd descriptor, UniqueFd copy);
    UniqueFd fd;
    UniqueFd writable_fd;               // the same, since a loop watches a descriptor for one thing
    std::atomic<bool> gone = false;     // there will be no frame any more
    std::atomic<bool> unheard = false;  // the loop had no room to watch it
    OnceWatch readable;
    OnceWatch writable;
  };

  static void tell(NetListener& listener, Port& port, std::uint16_t pair);
  void listen(Port& port);
  void listen_again();

  const NetProperties properties_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<iovec> pieces_;       // of the frame under way
  std::optional<LoopTimer> retry_;  // set once; listens again
};

}  // namespace keel
