// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/virtio/guest_buffers.h"

#include <algorithm>
#include <cstring>

namespace keel {
namespace {

// Pieces that spare buffers keep room for: a guest that once sent more holds no memory of the host by it.
constexpr std::size_t kKeptPieces = 64;

}  // namespace

void GuestBuffers::append(std::span<std::uint8_t> piece) {
  segments_.push_back({.iov_base = piece.data(), .iov_len = piece.size()});
  size_ += piece.size();
}

void GuestBuffers::clear() noexcept {
  if (segments_.capacity() > kKeptPieces) segments_ = std::vector<iovec>();
  segments_.clear();
  first_ = 0;
  size_ = 0;
}

bool GuestBuffers::skip(std::uint64_t count) noexcept {
  if (count > size_) return false;
  size_ -= count;
  while (count != 0) {
    iovec& piece = segments_[first_];
    const std::size_t taken = std::min<std::uint64_t>(count, piece.iov_len);
    piece.iov_base = static_cast<std::uint8_t*>(piece.iov_base) + taken;
    piece.iov_len -= taken;
    count -= taken;
    if (piece.iov_len == 0) ++first_;
  }
  return true;
}

bool GuestBuffers::truncate(std::uint64_t count) noexcept {
  if (count > size_) return false;
  while (size_ > count) {
    iovec& piece = segments_.back();
    const std::size_t dropped = std::min<std::uint64_t>(size_ - count, piece.iov_len);
    piece.iov_len -= dropped;
    size_ -= dropped;
    if (piece.iov_len == 0) segments_.pop_back();
  }
  return true;
}

std::optional<std::uint8_t*> GuestBuffers::take_last_byte() noexcept {
  if (size_ == 0) return std::nullopt;
  const iovec& last = segments_.back();
  std::uint8_t* const byte = static_cast<std::uint8_t*>(last.iov_base) + last.iov_len - 1;
  truncate(size_ - 1);
  return byte;
}

template <typename Copy>
void GuestBuffers::for_front(std::uint64_t count, Copy copy) const {
  std::uint64_t done = 0;
  for (std::size_t i = first_; done < count; ++i) {
    const std::size_t length = std::min<std::uint64_t>(count - done, segments_[i].iov_len);
    copy(std::span(static_cast<std::uint8_t*>(segments_[i].iov_base), length), done);
    done += length;
  }
}

bool ReadableBuffers::peek(std::span<std::uint8_t> bytes) const noexcept {
  if (bytes.size() > size()) return false;
  for_front(bytes.size(), [&](std::span<std::uint8_t> piece, std::size_t done) {
    std::memcpy(bytes.data() + done, piece.data(), piece.size());
  });
  return true;
}

bool ReadableBuffers::read(std::span<std::uint8_t> bytes) noexcept {
  return peek(bytes) && skip(bytes.size());
}

bool WritableBuffers::poke(std::span<const std::uint8_t> bytes) noexcept {
  if (bytes.size() > size()) return false;
  for_front(bytes.size(), [&](std::span<std::uint8_t> piece, std::size_t done) {
    std::memcpy(piece.data(), bytes.data() + done, piece.size());
  });
  return true;
}

bool WritableBuffers::write(std::span<const std::uint8_t> bytes) noexcept {
  return poke(bytes) && skip(bytes.size());
}

std::size_t WritableBuffers::write_some(std::span<const std::uint8_t> bytes) noexcept {
  const std::size_t count = std::min<std::uint64_t>(bytes.size(), size());
  write(bytes.first(count));
  return count;
}

}  // namespace keel
