// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

namespace keel {

// What is left of one direction of a request: pieces of guest memory, in order, as preadv(2) and io_uring take them.
// Where a piece ends means nothing (2.7.4: devices make no assumptions about framing): a header may lie across several,
// or share one with the data. Taking from the front moves on by as much.
//
// The guest may change the bytes at any time: copy out what is judged. Used by one thread at a time.
class GuestBuffers {
 public:
  // Bytes left.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  // None of them is empty. Valid until something is taken.
  [[nodiscard]] std::span<const iovec> segments() const noexcept { return std::span(segments_).subspan(first_); }

  // Below: false (or nothing), and nothing taken, where fewer bytes are left.
  bool skip(std::uint64_t count) noexcept;
  // Drops all but the first `count`.
  bool truncate(std::uint64_t count) noexcept;
  // Takes the last byte; valid as long as the request. Where a device's status goes.
  [[nodiscard]] std::optional<std::uint8_t*> take_last_byte() noexcept;

  // For VirtQueue: appends a piece, which is not empty; empties all, and keeps the capacity for as many as are usual.
  void append(std::span<std::uint8_t> piece);
  void clear() noexcept;

 protected:
  // Calls copy(piece, done) for the pieces that make the next `count` bytes. Precondition: count <= size().
  template <typename Copy>
  void for_front(std::uint64_t count, Copy copy) const;

 private:
  std::vector<iovec> segments_;
  std::size_t first_ = 0;
  std::uint64_t size_ = 0;
};

// What the driver wrote for the device.
class ReadableBuffers final : public GuestBuffers {
 public:
  // Copies from the front.
  bool read(std::span<std::uint8_t> bytes) noexcept;
  // The same without taking.
  [[nodiscard]] bool peek(std::span<std::uint8_t> bytes) const noexcept;

  // In the guest's representation: little-endian fields.
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] std::optional<T> read_object() noexcept {
    T object;
    if (!read({reinterpret_cast<std::uint8_t*>(&object), sizeof(T)})) return std::nullopt;
    return object;
  }
};

// What the device is to write for the driver.
class WritableBuffers final : public GuestBuffers {
 public:
  // Copies to the front.
  bool write(std::span<const std::uint8_t> bytes) noexcept;
  // As many as fit; how many that was.
  std::size_t write_some(std::span<const std::uint8_t> bytes) noexcept;
  // Copies to the front without taking.
  [[nodiscard]] bool poke(std::span<const std::uint8_t> bytes) noexcept;

  template <typename T>
    requires std::is_trivially_copyable_v<T>
  bool write_object(const T& object) noexcept {
    return write({reinterpret_cast<const std::uint8_t*>(&object), sizeof(T)});
  }
};

}  // namespace keel
