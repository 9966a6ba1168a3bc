// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>

namespace keel {

// What is at the other end of a serial port's wire. The port calls both from inside the guest's access, on a vCPU
// thread and under the port's lock: so neither may wait for the guest, nor call the port back.

class SerialOutput {
 public:
  virtual ~SerialOutput() = default;
  // Takes all of `bytes`, which the guest sent in this order; usually one. To gather them, or to drop what a slow
  // reader leaves, is the implementation's business: the guest sees a transmitter that is always empty.
  virtual void write(std::span<const std::uint8_t> bytes) = 0;
};

class SerialInputSource {
 public:
  virtual ~SerialInputSource() = default;
  // The port took less than it was offered and has room again: wake up whoever offers, for instance by an eventfd.
  // Called once for each such offer.
  virtual void room_again() = 0;
};

}  // namespace keel
