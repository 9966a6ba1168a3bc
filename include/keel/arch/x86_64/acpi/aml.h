// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

// The terms of the ACPI Machine Language that static tables need (ACPI 6.4, chapter 20). Each function returns one
// term's bytes; terms nest by passing one's bytes to the next.
namespace keel::x86_64::aml {

using Bytes = std::vector<std::uint8_t>;

// Four of A-Z, 0-9 and _, no digit first.
[[nodiscard]] bool is_name_segment(std::string_view text) noexcept;
// Three of A-Z and four of 0-9 A-F, as in "PNP0501": what EISA ids can say.
[[nodiscard]] bool is_eisa_id(std::string_view text) noexcept;

// A constant, in the fewest bytes.
[[nodiscard]] Bytes integer(std::uint64_t value);
// Precondition: printable ASCII.
[[nodiscard]] Bytes string(std::string_view text);
// The compressed form of a PNP id (6.1.5). Precondition: is_eisa_id().
[[nodiscard]] Bytes eisa_id(std::string_view text);
[[nodiscard]] Bytes buffer(std::span<const std::uint8_t> content);
// At most 255 elements.
[[nodiscard]] Bytes package(std::initializer_list<Bytes> elements);

// Precondition of each: is_name_segment(). The name is looked for, or made, where the term stands.
[[nodiscard]] Bytes name(std::string_view segment, const Bytes& value);
[[nodiscard]] Bytes scope(std::string_view segment, const Bytes& terms);
[[nodiscard]] Bytes device(std::string_view segment, const Bytes& terms);

void append(Bytes& to, std::span<const std::uint8_t> more);

}  // namespace keel::x86_64::aml
