// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "keel/base/little_endian.h"
#include "keel/base/range.h"
#include "keel/bus/device_io.h"

namespace keel::testing {

// Drives one port I/O device as a guest does, by port number. Ports that the device does not own behave as the bus has
// it: an access that no single range contains reads as ones and writes nowhere.
class PioDriver {
 public:
  PioDriver(MutDevicePio& device, std::vector<PioRange> ranges) : device_(device), ranges_(std::move(ranges)) {}

  std::uint8_t inb(std::uint16_t port) { return static_cast<std::uint8_t>(in(port, 1)); }
  std::uint16_t inw(std::uint16_t port) { return static_cast<std::uint16_t>(in(port, 2)); }
  std::uint32_t inl(std::uint16_t port) { return static_cast<std::uint32_t>(in(port, 4)); }
  void outb(std::uint16_t port, std::uint8_t value) { out(port, 1, value); }
  void outw(std::uint16_t port, std::uint16_t value) { out(port, 2, value); }
  void outl(std::uint16_t port, std::uint32_t value) { out(port, 4, value); }

  // `size` up to 8.
  std::uint64_t in(std::uint16_t port, std::size_t size) {
    std::uint8_t bytes[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const std::span data(bytes, size);
    if (const PioRange* range = range_of(port, size))
      device_.pio_read(range->first(), PioAddress(port).offset_from(range->first()), data);
    return load_le(data);
  }
  void out(std::uint16_t port, std::size_t size, std::uint64_t value) {
    std::uint8_t bytes[8];
    store_le(bytes, value);
    if (const PioRange* range = range_of(port, size))
      device_.pio_write(range->first(), PioAddress(port).offset_from(range->first()), std::span(bytes, size));
  }

  [[nodiscard]] const std::vector<PioRange>& ranges() const noexcept { return ranges_; }

 private:
  [[nodiscard]] const PioRange* range_of(std::uint16_t port, std::size_t size) const {
    const Result<PioRange> access = PioRange::from_size(PioAddress(port), size);
    if (!access) return nullptr;
    for (const PioRange& range : ranges_) {
      if (range.contains(*access)) return &range;
    }
    return nullptr;
  }

  MutDevicePio& device_;
  std::vector<PioRange> ranges_;
};

}  // namespace keel::testing
