// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <utility>

#include "keel/virtio/guest_buffers.h"

namespace keel {

// One request of the driver: what the device reads, then what it writes, as guest memory in place. Goes back by
// VirtQueue::complete(), at any later time and in any order; one that is dropped instead is lost to the driver until
// the next reset. Move-only; used by one thread at a time.
class DescriptorChain {
 public:
  DescriptorChain(DescriptorChain&&) noexcept = default;
  DescriptorChain& operator=(DescriptorChain&&) noexcept = default;
  DescriptorChain(const DescriptorChain&) = delete;
  DescriptorChain& operator=(const DescriptorChain&) = delete;
  ~DescriptorChain() = default;

  [[nodiscard]] ReadableBuffers& readable() noexcept { return readable_; }
  [[nodiscard]] WritableBuffers& writable() noexcept { return writable_; }
  // Its first descriptor, by which the driver knows it.
  [[nodiscard]] std::uint16_t head() const noexcept { return head_; }

 private:
  friend class VirtQueue;
  DescriptorChain() noexcept = default;

  std::uint16_t head_ = 0;
  ReadableBuffers readable_;
  WritableBuffers writable_;
};

}  // namespace keel
