// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/acpi/aml.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "keel/base/check.h"

namespace keel::x86_64::aml {
namespace {

// 20.3 "AML Byte Stream Byte Values".
constexpr std::uint8_t kZeroOp = 0x00;
constexpr std::uint8_t kOneOp = 0x01;
constexpr std::uint8_t kNameOp = 0x08;
constexpr std::uint8_t kBytePrefix = 0x0a;
constexpr std::uint8_t kWordPrefix = 0x0b;
constexpr std::uint8_t kDWordPrefix = 0x0c;
constexpr std::uint8_t kStringPrefix = 0x0d;
constexpr std::uint8_t kQWordPrefix = 0x0e;
constexpr std::uint8_t kScopeOp = 0x10;
constexpr std::uint8_t kBufferOp = 0x11;
constexpr std::uint8_t kPackageOp = 0x12;
constexpr std::uint8_t kExtOpPrefix = 0x5b;
constexpr std::uint8_t kDeviceOp = 0x82;

constexpr bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

void append_le(Bytes& to, std::uint64_t value, unsigned size) {
  for (unsigned i = 0; i < size; ++i) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

// 20.2.4: the length counts itself. One byte holds 6 bits; of more, the first holds 4 and how many follow.
Bytes package_length(std::size_t content) {
  constexpr std::size_t kOneByteLimit = 0x40;
  if (content + 1 < kOneByteLimit) return {static_cast<std::uint8_t>(content + 1)};
  for (unsigned following = 1; following <= 3; ++following) {
    const std::size_t length = content + 1 + following;
    if (length >= std::size_t{1} << (4 + 8 * following)) continue;
    Bytes bytes = {static_cast<std::uint8_t>(following << 6 | (length & 0xf))};
    append_le(bytes, length >> 4, following);
    return bytes;
  }
  panic("an AML package of 256 MiB or more");
}

// An operator, its length, and what it holds.
Bytes enclose(std::initializer_list<std::uint8_t> op, const Bytes& content) {
  Bytes bytes(op);
  append(bytes, package_length(content.size()));
  append(bytes, content);
  return bytes;
}

Bytes encode_segment(std::string_view segment) {
  check(is_name_segment(segment), "not an AML name");
  return {segment.begin(), segment.end()};
}

Bytes named(std::initializer_list<std::uint8_t> op, std::string_view segment, const Bytes& terms) {
  Bytes content = encode_segment(segment);
  append(content, terms);
  return enclose(op, content);
}

}  // namespace

void append(Bytes& to, std::span<const std::uint8_t> more) {
  std::ranges::copy(more, std::back_inserter(to));
}

bool is_name_segment(std::string_view text) noexcept {
  return text.size() == 4 && !is_digit(text[0]) &&
         std::ranges::all_of(text, [](char c) { return is_upper(c) || is_digit(c) || c == '_'; });
}

bool is_eisa_id(std::string_view text) noexcept {
  return text.size() == 7 && std::ranges::all_of(text.substr(0, 3), is_upper) &&
         std::ranges::all_of(text.substr(3), [](char c) { return is_digit(c) || (c >= 'A' && c <= 'F'); });
}

Bytes integer(std::uint64_t value) {
  if (value == 0) return {kZeroOp};
  if (value == 1) return {kOneOp};
  const auto prefixed = [&](std::uint8_t prefix, unsigned size) {
    Bytes bytes = {prefix};
    append_le(bytes, value, size);
    return bytes;
  };
  if (value <= std::numeric_limits<std::uint8_t>::max()) return prefixed(kBytePrefix, 1);
  if (value <= std::numeric_limits<std::uint16_t>::max()) return prefixed(kWordPrefix, 2);
  if (value <= std::numeric_limits<std::uint32_t>::max()) return prefixed(kDWordPrefix, 4);
  return prefixed(kQWordPrefix, 8);
}

Bytes string(std::string_view text) {
  check(std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; }), "an AML string is printable ASCII");
  Bytes bytes = {kStringPrefix};
  std::ranges::copy(text, std::back_inserter(bytes));
  bytes.push_back(0);
  return bytes;
}

Bytes eisa_id(std::string_view text) {
  check(is_eisa_id(text), "not an EISA id");
  // Five bits a letter, four a digit, highest first: a big-endian number, and always told as a DWord.
  std::uint32_t value = 0;
  for (const char c : text.substr(0, 3)) value = value << 5 | static_cast<std::uint32_t>(c - '@');
  for (const char c : text.substr(3)) value = value << 4 | static_cast<std::uint32_t>(is_digit(c) ? c - '0' : c - '7');
  Bytes bytes = {kDWordPrefix};
  for (unsigned shift = 32; shift > 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(value >> (shift - 8)));
  return bytes;
}

Bytes buffer(std::span<const std::uint8_t> content) {
  Bytes sized = integer(content.size());
  append(sized, content);
  return enclose({kBufferOp}, sized);
}

Bytes package(std::initializer_list<Bytes> elements) {
  check(elements.size() <= 255, "an AML package has at most 255 elements");
  Bytes content = {static_cast<std::uint8_t>(elements.size())};
  for (const Bytes& element : elements) append(content, element);
  return enclose({kPackageOp}, content);
}

Bytes name(std::string_view segment, const Bytes& value) {
  Bytes bytes = {kNameOp};
  append(bytes, encode_segment(segment));
  append(bytes, value);
  return bytes;
}

Bytes scope(std::string_view segment, const Bytes& terms) {
  return named({kScopeOp}, segment, terms);
}

Bytes device(std::string_view segment, const Bytes& terms) {
  return named({kExtOpPrefix, kDeviceOp}, segment, terms);
}

}  // namespace keel::x86_64::aml
