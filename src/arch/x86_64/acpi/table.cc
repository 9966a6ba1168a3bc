// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/acpi/table.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <numeric>

#include "keel/base/check.h"
#include "keel/base/little_endian.h"

namespace keel::x86_64 {
namespace {

constexpr std::size_t kLengthOffset = 4;
constexpr std::size_t kChecksumOffset = 9;

constexpr std::string_view kOemId = "KEEL  ";
constexpr std::string_view kOemTableId = "KEELPC  ";
constexpr std::string_view kCreatorId = "KEEL";

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

std::uint8_t acpi_checksum(std::span<const std::uint8_t> bytes) noexcept {
  return static_cast<std::uint8_t>(0u - std::accumulate(bytes.begin(), bytes.end(), 0u));
}

AcpiTable::AcpiTable(std::string_view signature, std::uint8_t revision) {
  check(signature.size() == 4, "an ACPI signature has four characters");
  add_bytes(bytes_of(signature));
  add<std::uint32_t>(0);  // length
  add(revision);
  add<std::uint8_t>(0);  // checksum
  add_bytes(bytes_of(kOemId));
  add_bytes(bytes_of(kOemTableId));
  add<std::uint32_t>(1);  // OEM revision
  add_bytes(bytes_of(kCreatorId));
  add<std::uint32_t>(1);  // creator revision
  check(bytes_.size() == kHeaderSize, "the ACPI header");
}

AcpiTable& AcpiTable::add_zeros(std::size_t count) {
  bytes_.resize(bytes_.size() + count);
  return *this;
}

AcpiTable& AcpiTable::add_bytes(std::span<const std::uint8_t> bytes) {
  std::ranges::copy(bytes, std::back_inserter(bytes_));
  return *this;
}

AcpiTable& AcpiTable::add_port(PioAddress port, std::uint8_t size, std::uint8_t access) {
  constexpr std::uint8_t kSystemIo = 1;
  constexpr std::uint8_t kBitOffset = 0;
  add(kSystemIo).add(static_cast<std::uint8_t>(size * 8)).add(kBitOffset);
  // 1 is a byte, 2 a word, 3 a double word.
  add(static_cast<std::uint8_t>(std::bit_width(access)));
  return add(std::uint64_t{port.value()});
}

std::vector<std::uint8_t> AcpiTable::finish() const {
  std::vector<std::uint8_t> table = bytes_;
  store_le_at(std::span(table), kLengthOffset, static_cast<std::uint32_t>(table.size()));
  table[kChecksumOffset] = acpi_checksum(table);
  return table;
}

}  // namespace keel::x86_64
