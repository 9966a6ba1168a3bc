// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/i8042.h"

namespace keel {

using namespace i8042;

namespace {

constexpr std::string_view kName = "i8042";

// `base` + `offset`, or a port that is not the controller's.
PioAddress port_at(PioAddress base, std::uint64_t offset) {
  return base.checked_add(offset).value_or(PioAddress(0));
}

}  // namespace

I8042::I8042(LevelInterrupt& keyboard_interrupt, PowerControl& power) noexcept
    : line_(keyboard_interrupt), power_(power) {
  // As firmware leaves it that found no keyboard and no mouse.
  ram_[0] = kCommandSystem | kCommandKeyboardDisabled | kCommandAuxDisabled | kCommandTranslate;
}

void I8042::pio_read(PioAddress base, std::uint16_t offset, std::span<std::uint8_t> data) {
  for (std::size_t i = 0; i < data.size(); ++i) {
    const PioAddress port = port_at(base, offset + i);
    data[i] = port == kDataPort ? read_data() : port == kCommandPort ? read_status() : 0xff;
  }
  settle();
}

void I8042::pio_write(PioAddress base, std::uint16_t offset, std::span<const std::uint8_t> data) {
  for (std::size_t i = 0; i < data.size(); ++i) {
    const PioAddress port = port_at(base, offset + i);
    if (port == kDataPort) write_data(data[i]);
    if (port == kCommandPort) write_command(data[i]);
  }
  settle();
}

std::uint8_t I8042::read_status() const noexcept {
  return (ram_[0] & kCommandSystem) != 0 ? status_ | kStatusSystem : status_;
}

std::uint8_t I8042::read_data() noexcept {
  status_ &= static_cast<std::uint8_t>(~(kStatusOutputFull | kStatusTimeout));
  return output_buffer_;
}

void I8042::write_command(std::uint8_t command) {
  status_ |= kStatusLastWasCommand;
  waiting_command_.reset();  // a command whose byte has not come is abandoned
  if (command >= kPulseOutputPort) {
    if ((command & kOutputNotReset) == 0) power_.request_reset(kName);
    return;
  }
  if ((command & ~(kRamSize - 1)) == kReadRam) return answer(ram_[command % kRamSize]);
  if ((command & ~(kRamSize - 1)) == kWriteRam) {
    waiting_command_ = command;
    return;
  }
  switch (command) {
    case kDisableAux: ram_[0] |= kCommandAuxDisabled; break;
    case kEnableAux: ram_[0] &= static_cast<std::uint8_t>(~kCommandAuxDisabled); break;
    case kTestAux: answer(kInterfaceClockStuckLow); break;
    case kSelfTest:
      ram_[0] |= kCommandSystem | kCommandKeyboardDisabled | kCommandAuxDisabled;
      answer(kSelfTestPassed);
      break;
    case kTestKeyboard: answer(kInterfaceOk); break;
    case kDisableKeyboard: ram_[0] |= kCommandKeyboardDisabled; break;
    case kEnableKeyboard: ram_[0] &= static_cast<std::uint8_t>(~kCommandKeyboardDisabled); break;
    case kReadInputPort: answer(kInputNotInhibited); break;
    case kReadOutputPort:
      answer((status_ & kStatusOutputFull) != 0 ? output_port_ | kOutputKeyboardFull : output_port_);
      break;
    case kWriteOutputPort:
    case kWriteKeyboardBuffer:
    case kWriteAuxBuffer:
    case kWriteAux: waiting_command_ = command; break;
    default: break;
  }
}

void I8042::write_data(std::uint8_t value) {
  status_ &= static_cast<std::uint8_t>(~kStatusLastWasCommand);
  const std::optional<std::uint8_t> command = waiting_command_;
  waiting_command_.reset();
  if (!command) return answer_timeout();  // for the keyboard
  switch (*command) {
    case kWriteOutputPort: write_output_port(value); break;
    // Both come back as the keyboard's: without the mouse interface there is no other way. Linux takes the missing
    // status bit for what it is.
    case kWriteKeyboardBuffer:
    case kWriteAuxBuffer: answer(value); break;
    case kWriteAux: answer_timeout(); break;
    default: ram_[*command % kRamSize] = value; break;  // kWriteRam
  }
}

void I8042::write_output_port(std::uint8_t value) {
  if ((value & kOutputNotReset) == 0) power_.request_reset(kName);
  output_port_ = kOutputNotReset | (value & kOutputA20);
}

void I8042::answer(std::uint8_t value) noexcept {
  output_buffer_ = value;
  status_ |= kStatusOutputFull;
  status_ &= static_cast<std::uint8_t>(~kStatusTimeout);
}

void I8042::answer_timeout() noexcept {
  answer(kResend);
  status_ |= kStatusTimeout;
}

void I8042::settle() {
  const bool announce = (status_ & kStatusOutputFull) != 0 && (ram_[0] & kCommandKeyboardInterrupt) != 0;
  line_.drive(announce ? LineLevel::kHigh : LineLevel::kLow);
}

}  // namespace keel
