// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keel/base/error.h"
#include "keel/base/event_loop.h"
#include "keel/base/mutex.h"
#include "keel/devices/block_backend.h"
#include "keel/devices/virtio_block_spec.h"
#include "keel/virtio/virtio_device.h"

namespace keel {

// A disk.
//
// Implements: read, write, flush, get-id, discard and write-zeroes of one segment each, read-only, several queues,
//   a write cache that the driver may switch off (CONFIG_WCE).
// Leaves out: SIZE_MAX, GEOMETRY and TOPOLOGY (hints that this device has no reason to give), LIFETIME, SECURE_ERASE,
//   zones, and more than one segment in a discard, which no driver needs.
// Spec: VIRTIO 1.3, 5.2. A request that is wrong (beyond the end, no whole sectors, writing to what is read-only) is
//   answered IOERR, one that the device does not know UNSUPP; one without room for a status breaks the queue. Wrong is
//   also what has more than twice SEG_MAX pieces: the host keeps lists of them.
// What the guest needs: virtio_blk. It sees the data as /dev/vda, and the id in /sys/block/vda/serial.
//
// Writes are cached until a flush where the driver negotiated FLUSH; one that did not has every write made stable
// before it completes (5.2.6.2), whatever it writes to the cache's mode, which is then 0 from the start (5.2.5.2).
//
// Threads: any. Requests start and complete on the loop. reset() gives up what the disk has not begun, and waits for
// the rest: the host must be done with guest memory. reset_queue() waits for all that is under way in its queue. Lock
// order: this device's lock, then those of signals.
class VirtioBlock final : public VirtioDevice {
 public:
  struct Parts {
    std::unique_ptr<BlockBackend> disk;
    EventLoop& loop;           // outlives the device
    std::string id;            // up to 20 bytes count
    std::uint16_t queues = 1;  // 1 to kMaxQueues; drivers use as many as they have processors
  };
  static constexpr std::uint16_t kMaxQueues = 64;
  static constexpr std::uint16_t kQueueSize = 256;

  // Errors: kInvalidArgument (no disk, no or too many queues), those of watching the disk.
  [[nodiscard]] static Result<std::shared_ptr<VirtioBlock>> create(Parts parts);
  ~VirtioBlock() override;

  [[nodiscard]] virtio::DeviceId device_id() const noexcept override { return virtio::DeviceId::kBlock; }
  [[nodiscard]] std::string_view type() const noexcept override { return "virtio-block"; }
  [[nodiscard]] std::uint64_t features() const noexcept override;
  [[nodiscard]] std::span<const std::uint16_t> queue_sizes() const noexcept override { return queue_sizes_; }
  void read_config(std::uint64_t offset, std::span<std::uint8_t> data) const override;
  void write_config(std::uint64_t offset, std::span<const std::uint8_t> data) override;
  Result<void> activate(VirtioActivation activation) override;
  void reset() noexcept override;
  void reset_queue(std::uint16_t queue) noexcept override;
  void notify(std::uint16_t queue) override;

 private:
  // A request that the disk has.
  struct Pending {
    DescriptorChain chain;
    std::uint16_t queue;
    std::uint8_t* status;
    std::uint32_t written;  // into the chain, where all goes well
  };
  // A request that was understood, or the status that says why not.
  struct Verdict {
    std::uint8_t status = virtio_block::kStatusOk;
    std::optional<BlockRequest> request = std::nullopt;  // without: answered already
    std::uint32_t written = 0;                           // data bytes, without the status
  };

  explicit VirtioBlock(Parts parts);
  void serve(VirtQueue& queue) KEEL_REQUIRES(mutex_);
  void take(VirtQueue& queue, DescriptorChain chain) KEEL_REQUIRES(mutex_);
  [[nodiscard]] Verdict judge(DescriptorChain& chain) const KEEL_REQUIRES(mutex_);
  [[nodiscard]] Verdict judge_transfer(BlockRequest::Operation operation, std::uint64_t sector,
                                       const GuestBuffers& data) const KEEL_REQUIRES(mutex_);
  [[nodiscard]] Verdict judge_segment(std::uint32_t type, ReadableBuffers& data) const KEEL_REQUIRES(mutex_);
  [[nodiscard]] Verdict answer_id(WritableBuffers& data) const;
  [[nodiscard]] bool is_on_disk(std::uint64_t sector, std::uint64_t bytes) const noexcept;
  [[nodiscard]] bool writes_back() const noexcept KEEL_REQUIRES(mutex_);
  void collect() KEEL_REQUIRES(mutex_);

  // Configuration.
  const DiskProperties properties_;
  const std::array<char, virtio_block::kIdSize> id_;
  const std::vector<std::uint16_t> queue_sizes_;
  // Handles.
  const std::unique_ptr<BlockBackend> disk_;
  Watch completions_;
  // State.
  std::atomic<std::uint8_t> writeback_ = 1;  // of the configuration space
  mutable Mutex mutex_;
  std::uint64_t features_ KEEL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<VirtQueue>> queues_ KEEL_GUARDED_BY(mutex_);  // none while it is not active
  std::vector<std::optional<Pending>> pending_ KEEL_GUARDED_BY(mutex_);     // by tag
  std::vector<std::uint64_t> free_tags_ KEEL_GUARDED_BY(mutex_);
  std::size_t in_flight_ KEEL_GUARDED_BY(mutex_) = 0;
};

}  // namespace keel
