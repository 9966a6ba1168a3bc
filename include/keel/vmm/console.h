// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>

#include "keel/base/error.h"
#include "keel/devices/uart16550.h"
#include "keel/vmm/ending.h"

namespace keel {

class Machine;

// The guest's serial output on a file descriptor, byte for byte. A reader that has gone away loses output silently;
// one that is slow holds up the vCPU that prints, as a slow line would.
class FdSerialOutput final : public SerialOutput {
 public:
  explicit FdSerialOutput(int fd) noexcept : fd_(fd) {}
  void write(std::span<const std::uint8_t> bytes) override;

 private:
  int fd_;
};

// What ended the console's part.
struct ConsoleResult {
  // The signal that asked the process to end, or 0.
  int signal_number = 0;
};

// Blocks, in this thread and those it starts from now on, the signals that run_console() takes itself: to be called
// before the machine starts its threads.
Result<void> block_console_signals();

// Connects `input_fd` to the machine's serial port until the machine ends, the escape keys are typed, or SIGINT,
// SIGTERM, SIGHUP or SIGQUIT arrives; stops the machine in the latter cases. The descriptor may be a terminal (which
// is raw meanwhile), a pipe, a file, or closed; at its end the guest simply gets no more input.
[[nodiscard]] Result<ConsoleResult> run_console(Machine& machine, int input_fd);

}  // namespace keel
