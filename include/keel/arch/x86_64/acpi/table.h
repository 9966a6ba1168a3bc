// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "keel/base/address.h"

namespace keel::x86_64 {

// The byte that makes the sum of all bytes 0, where that byte is among them as 0.
[[nodiscard]] std::uint8_t acpi_checksum(std::span<const std::uint8_t> bytes) noexcept;

// An ACPI table in the making: the header (ACPI 6.4, 5.2.6), then fields in their order, each after the last one.
class AcpiTable {
 public:
  static constexpr std::size_t kHeaderSize = 36;

  // `signature` is four characters.
  AcpiTable(std::string_view signature, std::uint8_t revision);

  template <std::unsigned_integral T>
  AcpiTable& add(T value) {
    for (unsigned i = 0; i < sizeof(T); ++i)
      bytes_.push_back(static_cast<std::uint8_t>(std::uint64_t{value} >> (8 * i)));
    return *this;
  }
  AcpiTable& add_zeros(std::size_t count);
  AcpiTable& add_bytes(std::span<const std::uint8_t> bytes);
  // A Generic Address Structure (5.2.3.2) for an I/O port register of that many bytes, accessed `access` bytes at once.
  AcpiTable& add_port(PioAddress port, std::uint8_t size, std::uint8_t access);
  // The one that says that there is no such register.
  AcpiTable& add_no_register() { return add_zeros(12); }

  // The table with its length and checksum.
  [[nodiscard]] std::vector<std::uint8_t> finish() const;

 private:
  std::vector<std::uint8_t> bytes_;
};

}  // namespace keel::x86_64
