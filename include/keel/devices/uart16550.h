// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "keel/bus/device_io.h"
#include "keel/devices/driven_line.h"
#include "keel/devices/serial_backend.h"
#include "keel/devices/uart16550_spec.h"
#include "keel/interrupt/interrupt.h"

namespace keel {

// 16550A serial port.
//
// Implements: all registers; receive FIFO of 16 with its trigger levels, or one byte without; the four interrupts and
//   their priorities; loopback with its overrun; the modem lines of a cable to a peer that obeys RTS: nothing
//   arrives before the guest has raised it, as drivers do once their receiver is set up and its FIFO cleared.
// Leaves out:
//   - Baud rate and word format are kept, not obeyed: bytes are 8 bits and transmission takes no time, so the
//     transmitter is always empty. The THRE interrupt comes back with the byte written, and a driver that fills the
//     FIFO on it sends any amount in one interrupt.
//   - Four character times without traffic, which real parts wait before the character timeout, are over at once: what
//     is below the trigger level is announced as a timeout as soon as it arrives.
//   - Break, parity and framing errors, which nothing here produces.
//   - On a PC, OUT2 gates the interrupt. It does not here: guests that were only ever run on emulators forget it.
// Spec: National Semiconductor PC16550D, June 1995.
// What the guest needs: 8 ports and an interrupt, 0x3f8 and IRQ 4 for the first port. Linux detects a 16550A.
//
// An access wider than a byte is split into byte accesses at successive ports, lowest first, as the ISA bus does.
//
// Threads: one at a time, guest and host alike. Inside Locked<>, host threads call receive() through that lock.
// Lock order: this device's lock, then whatever the interrupt, the output and the input source take.
class Uart16550 final : public MutDevicePio {
 public:
  // All three must outlive the port.
  Uart16550(LevelInterrupt& interrupt, SerialOutput& output, SerialInputSource& input) noexcept
      : line_(interrupt), output_(output), input_(input) {}

  void pio_read(PioAddress base, std::uint16_t offset, std::span<std::uint8_t> data) override;
  void pio_write(PioAddress base, std::uint16_t offset, std::span<const std::uint8_t> data) override;

  // Offers bytes from the host and returns how many of the first fit. What did not fit stays with the caller, who
  // should stop reading its source; once the guest has made room, input.room_again() says so. Nothing is taken in
  // loopback, where the receiver is cut off from its wire, nor while RTS is down.
  std::size_t receive(std::span<const std::uint8_t> bytes);

 private:
  std::uint8_t read_register(std::uint16_t offset);
  void write_register(std::uint16_t offset, std::uint8_t value);
  std::uint8_t read_receiver_buffer() noexcept;
  std::uint8_t read_interrupt_identification() noexcept;
  std::uint8_t read_line_status() noexcept;
  std::uint8_t read_modem_status() noexcept;
  void transmit(std::uint8_t byte);
  void write_interrupt_enable(std::uint8_t value) noexcept;
  void write_fifo_control(std::uint8_t value) noexcept;
  void write_modem_control(std::uint8_t value) noexcept;

  [[nodiscard]] std::uint8_t interrupt_id() const noexcept;
  [[nodiscard]] std::uint8_t modem_lines() const noexcept;
  [[nodiscard]] bool fifo_enabled() const noexcept { return (fcr_ & uart16550::kFcrEnable) != 0; }
  [[nodiscard]] bool divisor_selected() const noexcept { return (lcr_ & uart16550::kLcrDlab) != 0; }
  [[nodiscard]] bool in_loopback() const noexcept { return (mcr_ & uart16550::kMcrLoopback) != 0; }
  [[nodiscard]] bool may_receive() const noexcept {
    return (mcr_ & (uart16550::kMcrRts | uart16550::kMcrLoopback)) == uart16550::kMcrRts;
  }
  [[nodiscard]] std::size_t receive_capacity() const noexcept { return fifo_enabled() ? uart16550::kFifoDepth : 1; }
  [[nodiscard]] std::size_t trigger_level() const noexcept;
  void push(std::uint8_t byte) noexcept;
  // After every change of state: drives the line, and calls the input source where it waits for room.
  void settle();
  void drive_line();

  // Dependencies.
  DrivenLine line_;
  SerialOutput& output_;
  SerialInputSource& input_;

  // Run time: somebody holds bytes back. Not the guest's to see.
  bool input_waits_ = false;

  // Guest-visible state.
  std::array<std::uint8_t, uart16550::kFifoDepth> fifo_{};
  std::size_t fifo_head_ = 0;   // index of the oldest byte
  std::size_t fifo_count_ = 0;  // <= receive_capacity()
  // The divisor that firmware would have left, 115200 baud. Linux's early console divides by it.
  std::uint8_t dll_ = 1;
  std::uint8_t dlm_ = 0;
  std::uint8_t ier_ = 0;
  std::uint8_t fcr_ = 0;
  std::uint8_t lcr_ = 0;
  std::uint8_t mcr_ = 0;
  std::uint8_t msr_deltas_ = 0;
  std::uint8_t scr_ = 0;
  bool overrun_ = false;
  bool thre_pending_ = false;  // THR empty has happened and was not yet seen in IIR
};

}  // namespace keel
