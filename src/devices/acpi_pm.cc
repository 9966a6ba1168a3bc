// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/acpi_pm.h"

#include <chrono>

namespace keel {

using namespace acpi_pm;

namespace {

constexpr std::string_view kName = "ACPI";

// Byte `index` of a register of `size` bytes, or ones beyond it.
std::uint8_t byte_of(std::uint32_t value, std::uint8_t size, std::uint32_t index) {
  return index < size ? static_cast<std::uint8_t>(value >> (8 * index)) : 0xff;
}

}  // namespace

void AcpiPm::pio_read(PioAddress base, std::uint16_t offset, std::span<std::uint8_t> data) {
  std::uint32_t value = 0;
  std::uint8_t size = 0;
  if (base == ports_.pm1_event) {
    value = status_ | static_cast<std::uint32_t>(enable_) << 16;
    size = kPm1EventBlockSize;
  } else if (base == ports_.pm1_control) {
    value = control_;
    size = kPm1ControlBlockSize;
  } else if (base == ports_.timer) {
    value = timer();
    size = kTimerBlockSize;
  }
  std::uint32_t index = offset;
  for (std::uint8_t& byte : data) byte = byte_of(value, size, index++);
}

void AcpiPm::pio_write(PioAddress base, std::uint16_t offset, std::span<const std::uint8_t> data) {
  for (const std::uint8_t byte : data) {
    if (base == ports_.pm1_event) write_event(offset, byte);
    if (base == ports_.pm1_control) write_control(offset, byte);
    ++offset;
  }
  settle();
}

void AcpiPm::press_power_button() {
  status_ |= kPowerButtonStatus;
  settle();
}

void AcpiPm::write_event(std::uint16_t offset, std::uint8_t value) noexcept {
  const auto low = static_cast<std::uint16_t>(value);
  const auto high = static_cast<std::uint16_t>(value << 8);
  switch (offset) {
    case 0: status_ &= static_cast<std::uint16_t>(~low); break;
    case 1: status_ &= static_cast<std::uint16_t>(~high); break;
    case 2: enable_ = static_cast<std::uint16_t>((enable_ & 0xff00) | (low & kEnableBits)); break;
    case 3: enable_ = static_cast<std::uint16_t>((enable_ & 0x00ff) | (high & kEnableBits)); break;
    default: break;
  }
}

void AcpiPm::write_control(std::uint16_t offset, std::uint8_t value) {
  if (offset == 0) {
    control_ = static_cast<std::uint16_t>((control_ & 0xff00) | kSciEnable | (value & kBusMasterReload));
  }
  if (offset != 1) return;
  // SLP_TYP and SLP_EN are in one byte: whoever sets the one sets the other with it.
  const auto high = static_cast<std::uint16_t>(value << 8);
  control_ = static_cast<std::uint16_t>((control_ & 0x00ff) | (high & kSleepTypeMask));
  const bool sleeps = (high & kSleepEnable) != 0;
  if (sleeps && (control_ & kSleepTypeMask) >> kSleepTypeShift == kS5SleepType) power_.request_power_off(kName);
}

std::uint32_t AcpiPm::timer() const {
  // Seconds and the rest apart, so that the products stay within 64 bits; counted modulo 2^32 in the end.
  constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;
  const auto now = static_cast<std::uint64_t>(clock_.monotonic().count());
  return static_cast<std::uint32_t>(now / kNanosecondsPerSecond * kTimerHz +
                                    now % kNanosecondsPerSecond * kTimerHz / kNanosecondsPerSecond);
}

void AcpiPm::settle() {
  sci_.drive((status_ & enable_) != 0 ? LineLevel::kHigh : LineLevel::kLow);
}

}  // namespace keel
