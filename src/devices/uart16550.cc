// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/uart16550.h"

namespace keel {

using namespace uart16550;

void Uart16550::pio_read(PioAddress /*base*/, std::uint16_t offset, std::span<std::uint8_t> data) {
  for (std::uint8_t& byte : data) byte = read_register(offset++);
  settle();
}

void Uart16550::pio_write(PioAddress /*base*/, std::uint16_t offset, std::span<const std::uint8_t> data) {
  for (const std::uint8_t byte : data) write_register(offset++, byte);
  settle();
}

std::size_t Uart16550::receive(std::span<const std::uint8_t> bytes) {
  std::size_t taken = 0;
  if (may_receive()) {
    while (taken < bytes.size() && fifo_count_ < receive_capacity()) push(bytes[taken++]);
  }
  if (taken < bytes.size()) input_waits_ = true;
  drive_line();
  return taken;
}

std::uint8_t Uart16550::read_register(std::uint16_t offset) {
  switch (offset) {
    case kRbr: return divisor_selected() ? dll_ : read_receiver_buffer();
    case kIer: return divisor_selected() ? dlm_ : ier_;
    case kIir: return read_interrupt_identification();
    case kLcr: return lcr_;
    case kMcr: return mcr_;
    case kLsr: return read_line_status();
    case kMsr: return read_modem_status();
    case kScr: return scr_;
    default: return 0xff;
  }
}

void Uart16550::write_register(std::uint16_t offset, std::uint8_t value) {
  switch (offset) {
    case kThr:
      if (divisor_selected()) {
        dll_ = value;
      } else {
        transmit(value);
      }
      break;
    case kIer:
      if (divisor_selected()) {
        dlm_ = value;
      } else {
        write_interrupt_enable(value);
      }
      break;
    case kFcr: write_fifo_control(value); break;
    case kLcr: lcr_ = value; break;
    case kMcr: write_modem_control(value); break;
    case kScr: scr_ = value; break;
    default: break;  // LSR and MSR are for factory tests only (8.4, 8.9)
  }
}

std::uint8_t Uart16550::read_receiver_buffer() noexcept {
  if (fifo_count_ == 0) return 0;
  const std::uint8_t byte = fifo_[fifo_head_];
  fifo_head_ = (fifo_head_ + 1) % kFifoDepth;
  --fifo_count_;
  return byte;
}

std::uint8_t Uart16550::read_interrupt_identification() noexcept {
  const std::uint8_t id = interrupt_id();
  if (id == kIirThrEmpty) thre_pending_ = false;
  return fifo_enabled() ? id | kIirFifosEnabled : id;
}

std::uint8_t Uart16550::read_line_status() noexcept {
  std::uint8_t status = kLsrThrEmpty | kLsrTransmitterEmpty;
  if (fifo_count_ > 0) status |= kLsrDataReady;
  if (overrun_) status |= kLsrOverrun;
  overrun_ = false;
  return status;
}

std::uint8_t Uart16550::read_modem_status() noexcept {
  const std::uint8_t status = modem_lines() | msr_deltas_;
  msr_deltas_ = 0;
  return status;
}

void Uart16550::transmit(std::uint8_t byte) {
  if (!in_loopback()) {
    output_.write({&byte, 1});
  } else if (fifo_count_ < receive_capacity()) {
    push(byte);
  } else {
    // With FIFOs the byte in the shift register is lost, without them the one in the buffer (8.4).
    overrun_ = true;
    if (!fifo_enabled()) fifo_[fifo_head_] = byte;
  }
  // Writing THR ends its interrupt, and the byte being gone at once makes the next. A driver without FIFOs may depend
  // on the edge between them. One with FIFOs has read IIR; to spare it 15 edges in 16 is worth many system calls.
  if (!fifo_enabled()) {
    thre_pending_ = false;
    drive_line();
  }
  thre_pending_ = true;
}

void Uart16550::write_interrupt_enable(std::uint8_t value) noexcept {
  // Enabling it while THR is empty makes a THRE interrupt, each time anew: Linux tests for that.
  const bool was_enabled = (ier_ & kIerThrEmpty) != 0;
  ier_ = value & kIerBits;
  if (!was_enabled && (ier_ & kIerThrEmpty) != 0) thre_pending_ = true;
}

void Uart16550::write_fifo_control(std::uint8_t value) noexcept {
  // Without the enable bit, the others are not programmed; a change of it clears the FIFOs (8.5).
  if ((value & kFcrEnable) == 0) value = 0;
  if (((value ^ fcr_) & kFcrEnable) != 0 || (value & kFcrClearReceive) != 0) fifo_count_ = 0;
  fcr_ = value & static_cast<std::uint8_t>(~(kFcrClearReceive | kFcrClearTransmit));
}

void Uart16550::write_modem_control(std::uint8_t value) noexcept {
  const std::uint8_t before = modem_lines();
  mcr_ = value & kMcrBits;
  const std::uint8_t after = modem_lines();
  const auto changed = static_cast<std::uint8_t>(before ^ after);
  if ((changed & kMsrCts) != 0) msr_deltas_ |= kMsrDeltaCts;
  if ((changed & kMsrDsr) != 0) msr_deltas_ |= kMsrDeltaDsr;
  if ((changed & before & kMsrRi) != 0) msr_deltas_ |= kMsrTrailingEdgeRi;
  if ((changed & kMsrDcd) != 0) msr_deltas_ |= kMsrDeltaDcd;
}

std::uint8_t Uart16550::interrupt_id() const noexcept {
  if ((ier_ & kIerLineStatus) != 0 && overrun_) return kIirLineStatus;
  if ((ier_ & kIerDataAvailable) != 0 && fifo_count_ > 0)
    return fifo_count_ >= trigger_level() ? kIirDataAvailable : kIirCharacterTimeout;
  if ((ier_ & kIerThrEmpty) != 0 && thre_pending_) return kIirThrEmpty;
  if ((ier_ & kIerModemStatus) != 0 && msr_deltas_ != 0) return kIirModemStatus;
  return kIirNone;
}

std::uint8_t Uart16550::modem_lines() const noexcept {
  if (!in_loopback()) return kMsrCts | kMsrDsr | kMsrDcd;
  std::uint8_t lines = 0;
  if ((mcr_ & kMcrRts) != 0) lines |= kMsrCts;
  if ((mcr_ & kMcrDtr) != 0) lines |= kMsrDsr;
  if ((mcr_ & kMcrOut1) != 0) lines |= kMsrRi;
  if ((mcr_ & kMcrOut2) != 0) lines |= kMsrDcd;
  return lines;
}

std::size_t Uart16550::trigger_level() const noexcept {
  return fifo_enabled() ? kTriggerLevels[fcr_ >> kFcrTriggerShift] : 1;
}

void Uart16550::push(std::uint8_t byte) noexcept {
  fifo_[(fifo_head_ + fifo_count_) % kFifoDepth] = byte;
  ++fifo_count_;
}

void Uart16550::settle() {
  drive_line();
  // Below the trigger level rather than at the first free byte: host and guest would else take turns byte by byte.
  if (input_waits_ && may_receive() && fifo_count_ < trigger_level()) {
    input_waits_ = false;
    input_.room_again();
  }
}

void Uart16550::drive_line() {
  line_.drive(interrupt_id() == kIirNone ? LineLevel::kLow : LineLevel::kHigh);
}

}  // namespace keel
