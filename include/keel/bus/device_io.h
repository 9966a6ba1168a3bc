// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>

#include "keel/base/address.h"

namespace keel {

// What a device does with an access. All of these:
// - `base` is the first address of the registered range that was hit (a device may own several), `offset` the distance
//   from it; offset + data.size() never passes the range's end.
// - `data` is the access's own bytes, lowest address first: 1, 2, 4 or 8 from a vCPU; any size from other callers.
//   A read fills all of it. Spans are valid during the call only.
// - They do not fail: what the specification of the device does not define reads as the specification says (or all
//   ones) and writes nowhere. They run on a vCPU thread or an event loop, and do not throw.

// Callable from several threads at once.
class DevicePio {
 public:
  virtual ~DevicePio() = default;
  virtual void pio_read(PioAddress base, std::uint16_t offset, std::span<std::uint8_t> data) = 0;
  virtual void pio_write(PioAddress base, std::uint16_t offset, std::span<const std::uint8_t> data) = 0;
};

class DeviceMmio {
 public:
  virtual ~DeviceMmio() = default;
  virtual void mmio_read(MmioAddress base, std::uint64_t offset, std::span<std::uint8_t> data) = 0;
  virtual void mmio_write(MmioAddress base, std::uint64_t offset, std::span<const std::uint8_t> data) = 0;
};

// The same for a device that one thread at a time may enter: registered inside Locked<> (keel/bus/locked.h).
class MutDevicePio {
 public:
  virtual ~MutDevicePio() = default;
  virtual void pio_read(PioAddress base, std::uint16_t offset, std::span<std::uint8_t> data) = 0;
  virtual void pio_write(PioAddress base, std::uint16_t offset, std::span<const std::uint8_t> data) = 0;
};

class MutDeviceMmio {
 public:
  virtual ~MutDeviceMmio() = default;
  virtual void mmio_read(MmioAddress base, std::uint64_t offset, std::span<std::uint8_t> data) = 0;
  virtual void mmio_write(MmioAddress base, std::uint64_t offset, std::span<const std::uint8_t> data) = 0;
};

}  // namespace keel
