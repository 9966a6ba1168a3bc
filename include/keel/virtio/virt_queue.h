// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/memory/guest_memory.h"
#include "keel/virtio/descriptor_chain.h"
#include "keel/virtio/driver_signals.h"
#include "keel/virtio/virtio_spec.h"

namespace keel {

// Where a driver put a queue.
struct VirtQueueLayout {
  std::uint16_t index = 0;  // in its device
  std::uint16_t size = 0;   // entries
  GuestAddress descriptors;
  GuestAddress available;
  GuestAddress used;
};

// The device's end of a split virtqueue (VIRTIO 1.3, 2.7), with indirect descriptors and event index where negotiated.
//
// Nothing the driver writes is believed. A driver that breaks a rule (loops, chains longer than allowed, addresses
// outside memory, an available index that ran ahead, ...) breaks the queue: DriverSignals::needs_reset() is called once
// and pop() gives nothing more. What was popped may still be completed.
//
// Used under its device's lock. The device has it from activate() to reset(), and holds no chain of it after that.
class VirtQueue {
 public:
  // The longest chain in an indirect table. Drivers in use make them longer than the queue, which 2.7.5.3.1 forbids.
  static constexpr std::size_t kLongestIndirect = 1024;

  // `memory` and `signals` outlive it. `features` are the negotiated ones. Errors: kInvalidArgument (a size that is no
  // power of two up to 32768, a misaligned part), kOutOfBounds (a part that is not RAM of one region).
  [[nodiscard]] static Result<std::unique_ptr<VirtQueue>> create(const GuestMemory& memory,
                                                                 const VirtQueueLayout& layout, std::uint64_t features,
                                                                 DriverSignals& signals);

  [[nodiscard]] std::uint16_t index() const noexcept { return layout_.index; }
  [[nodiscard]] std::uint16_t size() const noexcept { return layout_.size; }
  // Popped and not completed.
  [[nodiscard]] std::uint16_t in_flight() const noexcept { return in_flight_; }
  [[nodiscard]] bool broken() const noexcept { return broken_; }

  // The next request, or nothing where none waits or the queue is broken. The first time after it found nothing a
  // device that sleeps asks request_notifications().
  [[nodiscard]] std::optional<DescriptorChain> pop();
  // Hands it back. `written` bytes were written at the front of its writable part, and no others need be looked at. The
  // driver may see it at once; it is interrupted by the next signal().
  void complete(DescriptorChain chain, std::uint32_t written) {
    add_used(std::move(chain), written);
    publish_used();
  }
  // The two halves of it, for requests that the driver must see completed together.
  void add_used(DescriptorChain chain, std::uint32_t written);
  void publish_used() noexcept;
  // Undoes the latest pop(), after which no other came: the request is the next again, and whole. For what cannot be
  // begun now.
  void put_back(DescriptorChain chain);
  // Interrupts the driver where it wants to know of what was completed since the last call. After a batch.
  void signal();
  // A request no specification allows, which the device cannot even answer: breaks the queue.
  void mark_broken(std::string_view reason) noexcept;

  // 2.7.7, 2.7.10: asks the driver not to notify meanwhile; a hint.
  void suppress_notifications() noexcept;
  // Asks for a notification of the next request. True where one is there already: pop on, no notification comes for it.
  [[nodiscard]] bool request_notifications() noexcept;

  // Serves what waits: serve(chain) for each, at most size() of them, then signal() and request_notifications(), and
  // DriverSignals::call_again() where more is there. `serve` completes the chain or keeps it for later.
  template <typename Serve>
  void drain(Serve serve) {
    suppress_notifications();
    for (std::uint32_t left = size(); left != 0; --left) {
      std::optional<DescriptorChain> chain = pop();
      if (!chain) break;
      serve(std::move(*chain));
    }
    signal();
    if (request_notifications()) signals_.call_again(index());
  }

 private:
  struct Table;

  VirtQueue(const GuestMemory& memory, const VirtQueueLayout& layout, std::uint64_t features, DriverSignals& signals);

  [[nodiscard]] DescriptorChain take_empty_chain();
  void keep_room_of(DescriptorChain chain);
  [[nodiscard]] std::optional<std::string_view> collect(DescriptorChain& chain) const;
  [[nodiscard]] std::optional<std::string_view> enter_indirect(const virtio::Descriptor& descriptor,
                                                               Table& table) const;
  [[nodiscard]] std::optional<std::string_view> add_buffer(const virtio::Descriptor& descriptor,
                                                           DescriptorChain& chain) const;
  [[nodiscard]] bool has_event_idx() const noexcept { return (features_ & virtio::kFeatureEventIdx) != 0; }
  [[nodiscard]] std::uint16_t slot(std::uint16_t index) const noexcept {
    return static_cast<std::uint16_t>(index & (layout_.size - 1));
  }

  // Configuration and handles.
  const GuestMemory& memory_;
  DriverSignals& signals_;
  const VirtQueueLayout layout_;
  const std::uint64_t features_;
  std::uint8_t* descriptors_ = nullptr;
  std::uint8_t* available_ = nullptr;
  std::uint8_t* used_ = nullptr;
  // State that the guest can see, or will.
  std::uint16_t next_available_ = 0;
  std::uint16_t next_used_ = 0;
  std::uint32_t unsignalled_ = 0;  // completed since the last signal()
  std::uint16_t in_flight_ = 0;
  bool broken_ = false;
  // Emptied buffers of completed chains, so that steady traffic allocates nothing.
  std::vector<DescriptorChain> spare_;
};

}  // namespace keel
