// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "keel/base/little_endian.h"
#include "keel/base/mutex.h"
#include "keel/bus/device_io.h"
#include "keel/bus/io_manager.h"

namespace keel::fake {

// One access as a device saw it.
struct Access {
  std::uint64_t base;
  std::uint64_t offset;
  std::vector<std::uint8_t> written;  // empty for a read
  std::size_t size;
  friend bool operator==(const Access&, const Access&) = default;
};

// Answers on both buses: reads give `value`, every access is remembered. From any thread; `accesses` is to be
// looked at once they are at rest.
class RecordingDevice : public DevicePio, public DeviceMmio {
 public:
  explicit RecordingDevice(std::uint64_t answer = 0) : value(answer) {}

  void pio_read(PioAddress base, std::uint16_t offset, std::span<std::uint8_t> data) override {
    read(base.value(), offset, data);
  }
  void pio_write(PioAddress base, std::uint16_t offset, std::span<const std::uint8_t> data) override {
    write(base.value(), offset, data);
  }
  void mmio_read(MmioAddress base, std::uint64_t offset, std::span<std::uint8_t> data) override {
    read(base.value(), offset, data);
  }
  void mmio_write(MmioAddress base, std::uint64_t offset, std::span<const std::uint8_t> data) override {
    write(base.value(), offset, data);
  }

  std::uint64_t value;
  std::vector<Access> accesses;

 private:
  void read(std::uint64_t base, std::uint64_t offset, std::span<std::uint8_t> data) {
    const Lock lock(mutex_);
    accesses.push_back({base, offset, {}, data.size()});
    store_le(data, value);
  }
  void write(std::uint64_t base, std::uint64_t offset, std::span<const std::uint8_t> data) {
    const Lock lock(mutex_);
    accesses.push_back({base, offset, {data.begin(), data.end()}, data.size()});
  }

  Mutex mutex_;
};

// Runs what the test hands it from inside its I/O handler, on either bus.
class HandlerDevice : public DevicePio, public DeviceMmio {
 public:
  explicit HandlerDevice(std::function<void()> inside) : inside_(std::move(inside)) {}
  void pio_read(PioAddress, std::uint16_t, std::span<std::uint8_t> data) override { run(data); }
  void pio_write(PioAddress, std::uint16_t, std::span<const std::uint8_t>) override { inside_(); }
  void mmio_read(MmioAddress, std::uint64_t, std::span<std::uint8_t> data) override { run(data); }
  void mmio_write(MmioAddress, std::uint64_t, std::span<const std::uint8_t>) override { inside_(); }

 private:
  void run(std::span<std::uint8_t> data) {
    inside_();
    store_le(data, 0);
  }
  std::function<void()> inside_;
};

// What the guest's `in` and memory read instructions return: the value, all ones where nobody answers.
template <typename T, typename M>
T guest_in(const M& bus, std::uint16_t port) {
  std::uint8_t bytes[sizeof(T)] = {};
  (void)bus.pio_read(PioAddress(port), bytes);
  return static_cast<T>(load_le(bytes));
}
template <typename T, typename M>
T guest_load(const M& bus, std::uint64_t address) {
  std::uint8_t bytes[sizeof(T)] = {};
  (void)bus.mmio_read(MmioAddress(address), bytes);
  return static_cast<T>(load_le(bytes));
}
template <typename T, typename M>
Dispatch guest_out(const M& bus, std::uint16_t port, T value) {
  std::uint8_t bytes[sizeof(T)];
  store_le(bytes, value);
  return bus.pio_write(PioAddress(port), bytes);
}
template <typename T, typename M>
Dispatch guest_store(const M& bus, std::uint64_t address, T value) {
  std::uint8_t bytes[sizeof(T)];
  store_le(bytes, value);
  return bus.mmio_write(MmioAddress(address), bytes);
}

}  // namespace keel::fake
