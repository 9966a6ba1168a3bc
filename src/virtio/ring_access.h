// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>

#include "keel/virtio/virtio_spec.h"

namespace keel::virtio {

static_assert(std::endian::native == std::endian::little,
              "rings are read as they lie in memory; a big-endian host needs swaps here");

// A field that the guest may write at this moment. `where` is aligned.
inline std::uint16_t load16(std::uint8_t* where, std::memory_order order) noexcept {
  return std::atomic_ref(*reinterpret_cast<std::uint16_t*>(where)).load(order);
}
inline void store16(std::uint8_t* where, std::uint16_t value, std::memory_order order) noexcept {
  std::atomic_ref(*reinterpret_cast<std::uint16_t*>(where)).store(value, order);
}
inline void store32(std::uint8_t* where, std::uint32_t value, std::memory_order order) noexcept {
  std::atomic_ref(*reinterpret_cast<std::uint32_t*>(where)).store(value, order);
}

// The descriptor at `where` as it is now; what is judged and what is used later are the same copy. Any alignment:
// nothing demands one of indirect tables.
inline Descriptor copy_descriptor(const std::uint8_t* where) noexcept {
  Descriptor copy;
  std::memcpy(&copy, where, sizeof(copy));
  std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler reads it once
  return copy;
}

}  // namespace keel::virtio
