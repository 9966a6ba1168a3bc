// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "keel/base/error.h"
#include "keel/base/event_loop.h"

namespace keel {

// Characters.
struct TerminalSize {
  std::uint16_t columns = 0;
  std::uint16_t rows = 0;
  friend bool operator==(const TerminalSize&, const TerminalSize&) = default;
};

// What a port's host side calls, under no lock of its own, from any thread; not from inside a call of the device's.
class ConsolePortUser {
 public:
  virtual ~ConsolePortUser() = default;
  // read() found nothing before, and would find something now.
  virtual void input_ready(std::uint32_t port) = 0;
  // write() took nothing before, and would take something now.
  virtual void output_ready(std::uint32_t port) = 0;
  // connected() says something else than before.
  virtual void connection_changed(std::uint32_t port) = 0;
};

// The host's side of a port of a console device: a terminal, a socket. Called under the device's lock, on any thread.
// Nothing here waits.
class ConsolePort {
 public:
  virtual ~ConsolePort() = default;

  // Who is told, and as which port; once. A user that is gone is told nothing. `loop`, which is where the device works,
  // outlives this. Errors: those of EventLoop::watch().
  virtual Result<void> attach(EventLoop& loop, std::weak_ptr<ConsolePortUser> user, std::uint32_t port) = 0;

  // What has come from outside, for the guest; how many bytes that is. After 0, input_ready() comes when there is more.
  [[nodiscard]] virtual std::size_t read(std::span<std::uint8_t> bytes) = 0;
  // What the guest sends; how many bytes it took. After 0, output_ready() comes when it takes more. What nobody outside
  // wants, it takes and drops.
  [[nodiscard]] virtual std::size_t write(std::span<const std::uint8_t> bytes) = 0;

  // Whether there is anybody outside.
  [[nodiscard]] virtual bool connected() const { return true; }
};

}  // namespace keel
