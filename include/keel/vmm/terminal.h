// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <termios.h>

#include "keel/base/error.h"

namespace keel {

// A terminal in raw mode: every key goes to the guest, none to the host's line discipline. The destructor puts it
// back; so do the handlers that enter() installs for the signals that end a process, which then let it end, and
// which the destructor takes away. Signals that end a program politely are the console loop's to turn into a normal way
// out. At most one at a time in a process, made and destroyed by one thread.
class RawTerminal {
 public:
  // `fd` stays open for as long as this object lives. Errors: kInvalidArgument where it is no terminal;
  // kIo where its settings cannot be changed.
  [[nodiscard]] static Result<RawTerminal> enter(int fd);

  RawTerminal(RawTerminal&& other) noexcept : fd_(other.fd_), saved_(other.saved_) { other.fd_ = -1; }
  RawTerminal& operator=(RawTerminal&&) = delete;
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal();

 private:
  RawTerminal(int fd, const termios& saved) noexcept : fd_(fd), saved_(saved) {}

  int fd_;
  termios saved_;
};

}  // namespace keel
