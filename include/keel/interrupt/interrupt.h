// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <optional>

#include "keel/base/error.h"

namespace keel {

// What an interrupt can do, each in an interface of its own: a device takes those it uses. Implementations are callable
// from several threads at once; a device may call them from inside its I/O handler, under its own lock.

// A wire from a device to the guest. A device holds the wire and never learns its number.

// An interrupt that is an event: MSI, or an edge on a pin.
class EdgeInterrupt {
 public:
  virtual ~EdgeInterrupt() = default;
  virtual Result<void> trigger() = 0;
};

// An interrupt that is a state: the line is up while the device wants service. Raising a raised line, or lowering a
// lowered one, changes nothing.
class LevelInterrupt {
 public:
  virtual ~LevelInterrupt() = default;
  virtual Result<void> raise() = 0;
  virtual Result<void> lower() = 0;
};

// How an interrupt is set up. A device's wires that come ready-made need none of what follows.

// Delivery to the guest, off at first. What a device sends while it is off is refused (kInvalidState) and not kept.
class Interrupt {
 public:
  virtual ~Interrupt() = default;
  // Enabling what is enabled, or disabling what is disabled, changes nothing. Disabling lowers a raised line.
  virtual Result<void> enable() = 0;
  virtual Result<void> disable() = 0;
};

// Where an interrupt goes. Not yet configured, an enabled interrupt keeps what is sent as if it were masked.
template <typename C>
class ConfigurableInterrupt {
 public:
  using Config = C;
  virtual ~ConfigurableInterrupt() = default;
  // Allowed at any time, also while the interrupt fires on another thread: each event goes where the old configuration
  // says or where the new one does, and none is lost. On error the old one stays.
  virtual Result<void> update(const C& config) = 0;
  [[nodiscard]] virtual std::optional<C> config() const = 0;
};

// Holding an interrupt back. Not masked at first. Events on a masked interrupt are remembered as one, which unmask()
// delivers; of a masked level, what counts is whether it is up at unmask().
class MaskableInterrupt {
 public:
  virtual ~MaskableInterrupt() = default;
  virtual Result<void> mask() = 0;
  virtual Result<void> unmask() = 0;
  [[nodiscard]] virtual bool is_masked() const = 0;
  // Enabled, held back, and with something to deliver: the bit of an MSI-X Pending Bit Array (PCI Local Bus 3.0,
  // 6.8.2.10).
  [[nodiscard]] virtual bool is_pending() const = 0;
};

// Says whether a device still wants service.
class InterruptStatusChecker {
 public:
  virtual ~InterruptStatusChecker() = default;
  // Called when the guest has acknowledged the interrupt, on any thread, under no lock of the interrupt's: it may take
  // the device's lock.
  [[nodiscard]] virtual bool wants_service() = 0;
};

// A level interrupt whose hypervisor lowers the line by itself when the guest acknowledges (a resample), and that
// raises it again then while it is wanted. What says so is a checker; without one, the level that the device left it
// at.
class RetriggeredInterrupt {
 public:
  virtual ~RetriggeredInterrupt() = default;
  // Null takes the checker away. With a checker raise() always reaches the guest, and lower() is not needed; a checker
  // that is gone by then wants nothing.
  virtual void retrigger_while(const std::shared_ptr<InterruptStatusChecker>& checker) = 0;
};

}  // namespace keel
