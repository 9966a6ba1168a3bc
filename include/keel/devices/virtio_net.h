// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "keel/base/error.h"
#include "keel/base/event_loop.h"
#include "keel/base/mutex.h"
#include "keel/devices/net_backend.h"
#include "keel/devices/virtio_net_spec.h"
#include "keel/resource/mac_address.h"
#include "keel/virtio/virtio_device.h"

namespace keel {

// A network interface.
//
// Implements: checksum and TCP segmentation offloads as far as the network has them, mergeable receive buffers, MAC,
//   MTU, link status; where the network has several queue pairs, the control queue and MULTIQUEUE.
// Leaves out: the receive filters and the rest of the control queue's commands (a frame that the network delivers is
//   for this guest), GUEST_ANNOUNCE, UFO and USO, RSS, notification coalescing, STANDBY.
// Spec: VIRTIO 1.3, 5.1. A frame to send that is wrong (no header, shorter than an Ethernet header, larger than
//   64 KiB, an offload that was not negotiated, a checksum outside it) is dropped and its buffers go back.
// What the guest needs: virtio_net.
//
// A network that takes no frames keeps them in the queue; one that is gone takes and drops them, and the guest sees
// that the link is down. Frames wait in the network while the guest has no buffers.
//
// Frames that the guest sends go to the network from guest memory. Those that it receives are copied once, out of a
// buffer of the device's: how many of the guest's buffers a frame takes is known with its size. To read straight into
// them each pair would hold 64 KiB of them before there is a frame, and copy all the same where the driver posted
// fewer. A user-mode stack has its frames in memory of its own anyway.
//
// Threads: any. Frames move on the loop. Lock order: this device's lock, then the network's and those of signals.
class VirtioNet final : public VirtioDevice, private NetListener {
 public:
  struct Parts {
    std::unique_ptr<NetBackend> network;
    EventLoop& loop;  // outlives the device
    MacAddress mac;
  };
  static constexpr std::uint16_t kMaxQueuePairs = 32;
  static constexpr std::uint16_t kQueueSize = 256;

  // Error: kInvalidArgument (no network; a group's MAC address).
  [[nodiscard]] static Result<std::shared_ptr<VirtioNet>> create(Parts parts);
  ~VirtioNet() override;

  [[nodiscard]] virtio::DeviceId device_id() const noexcept override { return virtio::DeviceId::kNet; }
  [[nodiscard]] std::string_view type() const noexcept override { return "virtio-net"; }
  [[nodiscard]] std::uint64_t features() const noexcept override;
  [[nodiscard]] bool accepts(std::uint64_t features) const noexcept override;
  [[nodiscard]] std::span<const std::uint16_t> queue_sizes() const noexcept override { return queue_sizes_; }
  void read_config(std::uint64_t offset, std::span<std::uint8_t> data) const override;
  [[nodiscard]] std::uint32_t config_generation() const override;
  Result<void> activate(VirtioActivation activation) override;
  void reset() noexcept override;
  void reset_queue(std::uint16_t index) noexcept override;
  void notify(std::uint16_t queue) override;

 private:
  // A frame on its way from the network to the guest, and the guest's buffers for it.
  struct Receiver {
    void drop_buffers() noexcept {
      buffers.clear();
      room = 0;
    }

    virtio_net::Header header = {};
    std::vector<std::uint8_t> frame;  // as large as any
    std::size_t size = 0;             // of the frame; 0: none
    std::vector<DescriptorChain> buffers;
    std::uint64_t room = 0;  // bytes of the buffers
  };
  enum class Delivered : std::uint8_t { kYes, kNoBuffers };

  explicit VirtioNet(Parts parts);
  void receivable(std::uint16_t pair) override;
  void sendable(std::uint16_t pair) override;
  void link_changed(Link link) override;

  [[nodiscard]] VirtQueue* queue(std::size_t index) const noexcept KEEL_REQUIRES(mutex_);
  [[nodiscard]] std::size_t control_queue() const noexcept KEEL_REQUIRES(mutex_);
  void transmit(std::uint16_t pair) KEEL_REQUIRES(mutex_);
  [[nodiscard]] NetBackend::Sent transmit_one(std::uint16_t pair, DescriptorChain& chain) KEEL_REQUIRES(mutex_);
  [[nodiscard]] bool may_send(const virtio_net::Header& header, std::uint64_t size) const KEEL_REQUIRES(mutex_);
  [[nodiscard]] bool may_receive(virtio_net::Header& header) const KEEL_REQUIRES(mutex_);
  void pump(std::uint16_t pair) KEEL_REQUIRES(mutex_);
  [[nodiscard]] Delivered deliver(VirtQueue& queue, Receiver& receiver) KEEL_REQUIRES(mutex_);
  static void fill(VirtQueue& queue, Receiver& receiver);
  void control(VirtQueue& queue) KEEL_REQUIRES(mutex_);
  [[nodiscard]] std::uint8_t obey(ReadableBuffers& command) KEEL_REQUIRES(mutex_);

  // Configuration.
  const NetProperties properties_;
  const MacAddress mac_;
  const std::uint16_t pairs_;
  const std::vector<std::uint16_t> queue_sizes_;
  // Handles.
  EventLoop& loop_;
  std::unique_ptr<NetBackend> network_;  // there until the destructor
  // State.
  mutable Mutex mutex_;
  Link link_ KEEL_GUARDED_BY(mutex_) = Link::kUp;
  std::uint32_t generation_ KEEL_GUARDED_BY(mutex_) = 0;
  std::uint64_t features_ KEEL_GUARDED_BY(mutex_) = 0;
  DriverSignals* signals_ KEEL_GUARDED_BY(mutex_) = nullptr;                // null while it is not active
  std::vector<std::unique_ptr<VirtQueue>> queues_ KEEL_GUARDED_BY(mutex_);  // receive, transmit, receive, …, control
  std::uint16_t used_pairs_ KEEL_GUARDED_BY(mutex_) = 1;
  std::vector<Receiver> receivers_ KEEL_GUARDED_BY(mutex_);  // by pair
};

}  // namespace keel
