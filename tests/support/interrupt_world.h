// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/interrupt/interrupt_config.h"

// What every implementation of the interrupt contracts does, told as what a device and a guest see. A World is an
// interrupt controller with a guest behind it:
//   using Legacy = LegacyInterrupt or ResampledInterrupt; kGsis, all there are, of which the first 24 are pins
//   msi_group(), legacy_group(): empty groups
//   program_pin(gsi, vector, mode): the guest sets up its side of a pin
//   take(handler): the guest takes the interrupt that must come, runs `handler` and acknowledges; the vector, or none
//       when it does not come for long
//   take_if_any(handler): the same for one that may not come, or must not
//   gsis_taken()
//   kPinCycles: how often two pins can be taken and given back within seconds
// message_conformance.h is about messages, pin_conformance.h about pins; interrupt_bypass_conformance.h is for Worlds
// whose interrupts are a TriggerNotifier<World::Notifier>, the pins a ResampleNotifier.
namespace keel::testing {

// Vectors that the guest takes, and a message to the guest's processor 0 with one.
constexpr std::uint8_t kVectorA = 0x41;
constexpr std::uint8_t kVectorB = 0x52;
constexpr std::uint8_t kVectorC = 0x63;
constexpr MsiConfig message(std::uint8_t vector) {
  return {.address = MmioAddress(0xfee0'0000), .data = vector};
}
// The same to a processor that no World has.
constexpr MsiConfig message_to_nobody(std::uint8_t vector) {
  return {.address = MmioAddress(0xfee4'2000), .data = vector};
}

inline ErrorCode code_of(const auto& result) {
  return result ? ErrorCode::kIo : result.error().code();
}

}  // namespace keel::testing
