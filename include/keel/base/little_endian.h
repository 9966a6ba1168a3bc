// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace keel {

// Bytes of an access or of guest memory, lowest address first, whatever the host's byte order.

// The value of up to eight bytes. Precondition: bytes.size() <= 8; no bytes make 0.
[[nodiscard]] constexpr std::uint64_t load_le(std::span<const std::uint8_t> bytes) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) value |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
  return value;
}

// Fills all of `bytes`, beyond the eighth with zero.
constexpr void store_le(std::span<std::uint8_t> bytes, std::uint64_t value) noexcept {
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = i < 8 ? static_cast<std::uint8_t>(value >> (8 * i)) : 0;
}

// The T at `offset` of `bytes`. Precondition: offset + sizeof(T) <= bytes.size().
template <std::unsigned_integral T>
[[nodiscard]] constexpr T load_le_at(std::span<const std::uint8_t> bytes, std::size_t offset) noexcept {
  return static_cast<T>(load_le(bytes.subspan(offset, sizeof(T))));
}

template <std::unsigned_integral T>
constexpr void store_le_at(std::span<std::uint8_t> bytes, std::size_t offset, T value) noexcept {
  store_le(bytes.subspan(offset, sizeof(T)), value);
}

}  // namespace keel
