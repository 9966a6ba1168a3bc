// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "keel/base/error.h"
#include "keel/base/event_fd.h"
#include "keel/devices/serial_backend.h"
#include "keel/vmm/ending.h"

namespace keel {

class Machine;

// The guest's serial output on a file descriptor, byte for byte. A reader that has gone away loses output silently;
// one that is slow holds up the vCPU that prints, as a slow line would, until abandon() is called.
class FdSerialOutput final : public SerialOutput {
 public:
  // `fd` stays the caller's and stays open as long as this lives. Errors: those of making an eventfd.
  [[nodiscard]] static Result<FdSerialOutput> create(int fd);

  // On a vCPU thread, under the serial port's lock.
  void write(std::span<const std::uint8_t> bytes) override;
  // Lets go of a write that waits for its reader, and drops all output from now on. From any thread.
  void abandon();

 private:
  FdSerialOutput(int fd, EventFd abandoned) noexcept : fd_(fd), abandoned_(std::move(abandoned)) {}

  int fd_;
  EventFd abandoned_;
};

// What ended the console's part.
struct ConsoleResult {
  // The signal that asked the process to end, or 0.
  int signal_number = 0;
};

// Status of a process that ran one machine with a console: 128 + the signal's number where that ended it. A machine
// that came to its end by itself before the signal could end it says how.
[[nodiscard]] constexpr int exit_status(EndReason reason, const ConsoleResult& console) noexcept {
  if (reason == EndReason::kStopped && console.signal_number != 0) return 128 + console.signal_number;
  return exit_status(reason);
}

// Blocks, in this thread and those it starts from now on, the signals that run_console() takes itself, but for those
// that this process was started to ignore; and ignores SIGPIPE in the whole process, so that a reader who goes away is
// an error of a write. To be called before run_console(). Errors: those of the system calls.
Result<void> block_console_signals();

// Starts the machine, and connects `input_fd` to what it types into (Machine::type()) until the machine ends, the
// escape keys are typed, or SIGINT, SIGTERM, SIGHUP or SIGQUIT arrives; stops the machine in the latter cases, also one
// whose `output` nobody reads. The descriptor may be a terminal (which is raw before the guest says its first word and
// until this returns, whose size the machine follows, and where this process is in the background left alone), a pipe,
// a file, or closed; at its end the guest simply gets no more input. A guest that does not read holds a pipe up; of
// what is typed at a terminal it keeps some thousand keys. One call at a time in a process. Errors: those of
// Machine::start() and of the system calls; the machine may run after any, until it is stopped.
[[nodiscard]] Result<ConsoleResult> run_console(Machine& machine, FdSerialOutput& output, int input_fd);

}  // namespace keel
