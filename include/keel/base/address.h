// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <compare>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>

#include <fmt/format.h>

namespace keel {

// An address of one kind of space. Kinds do not mix: a port is not a memory address, and the compiler says so.
// Arithmetic is checked: nothing here wraps.
template <typename Tag, std::unsigned_integral Rep>
class Address {
 public:
  using Value = Rep;

  constexpr Address() noexcept = default;
  constexpr explicit Address(Rep value) noexcept : value_(value) {}

  [[nodiscard]] constexpr Rep value() const noexcept { return value_; }

  // The address `offset` further up, or nothing where that is beyond the top of the space.
  [[nodiscard]] constexpr std::optional<Address> checked_add(std::uint64_t offset) const noexcept {
    if (offset > static_cast<std::uint64_t>(std::numeric_limits<Rep>::max() - value_)) return std::nullopt;
    return Address(static_cast<Rep>(value_ + static_cast<Rep>(offset)));
  }

  // Distance from `base` up to this address. Precondition: base <= *this.
  [[nodiscard]] constexpr Rep offset_from(Address base) const noexcept {
    return static_cast<Rep>(value_ - base.value_);
  }

  // `alignment` must be a power of two.
  [[nodiscard]] constexpr bool is_aligned(std::uint64_t alignment) const noexcept {
    return (static_cast<std::uint64_t>(value_) & (alignment - 1)) == 0;
  }

  static constexpr Address max() noexcept { return Address(std::numeric_limits<Rep>::max()); }

  friend constexpr auto operator<=>(Address, Address) noexcept = default;

 private:
  Rep value_ = 0;
};

// A port on the x86 I/O bus, 16 bits.
using PioAddress = Address<struct PioAddressTag, std::uint16_t>;
// An address on the memory bus that a device answers, 64 bits.
using MmioAddress = Address<struct MmioAddressTag, std::uint64_t>;
// An address in the guest's physical memory (RAM), 64 bits.
using GuestAddress = Address<struct GuestAddressTag, std::uint64_t>;

// A number that names something and is not to be mistaken for another kind of number.
template <typename Tag, std::unsigned_integral Rep>
class Number {
 public:
  using Value = Rep;

  constexpr Number() noexcept = default;
  constexpr explicit Number(Rep value) noexcept : value_(value) {}
  [[nodiscard]] constexpr Rep value() const noexcept { return value_; }
  friend constexpr auto operator<=>(Number, Number) noexcept = default;

 private:
  Rep value_ = 0;
};

// Global system interrupt: the ACPI and KVM number of an interrupt input. On x86_64, 0 to 23 are the IOAPIC's pins.
using Gsi = Number<struct GsiTag, std::uint32_t>;
// A device instance in a DeviceManager.
using InstanceId = Number<struct InstanceIdTag, std::uint32_t>;

}  // namespace keel

template <typename Tag, typename Rep>
struct fmt::formatter<keel::Address<Tag, Rep>> {
  constexpr auto parse(format_parse_context& context) { return context.begin(); }
  auto format(const keel::Address<Tag, Rep>& address, format_context& context) const {
    return fmt::format_to(context.out(), "{:#x}", address.value());
  }
};

template <typename Tag, typename Rep>
struct fmt::formatter<keel::Number<Tag, Rep>> {
  constexpr auto parse(format_parse_context& context) { return context.begin(); }
  auto format(const keel::Number<Tag, Rep>& number, format_context& context) const {
    return fmt::format_to(context.out(), "{}", number.value());
  }
};

template <typename Tag, typename Rep>
struct std::hash<keel::Address<Tag, Rep>> {
  std::size_t operator()(keel::Address<Tag, Rep> address) const noexcept { return std::hash<Rep>()(address.value()); }
};

template <typename Tag, typename Rep>
struct std::hash<keel::Number<Tag, Rep>> {
  std::size_t operator()(keel::Number<Tag, Rep> number) const noexcept { return std::hash<Rep>()(number.value()); }
};
