// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/machine_map.h"

#include <memory>
#include <span>
#include <string_view>

#include "src/vmm/platform.h"
#include "keel/base/clock.h"
#include "keel/base/event_fd.h"
#include "keel/base/try.h"
#include "keel/bus/io_manager.h"

namespace keel {
namespace {

// A machine that nobody runs.
class Nobody final : public InterruptFactory, public PowerControl, public SerialOutput {
 public:
  Result<std::unique_ptr<LevelInterrupt>> connect(Gsi /*gsi*/, std::string_view /*owner*/) override {
    return std::make_unique<LooseWire>();
  }
  void request_reset(std::string_view /*source*/) override {}
  void request_power_off(std::string_view /*source*/) override {}
  void write(std::span<const std::uint8_t> /*bytes*/) override {}

 private:
  struct LooseWire final : LevelInterrupt {
    Result<void> raise() override { return {}; }
    Result<void> lower() override { return {}; }
  };
};

}  // namespace

Result<MachineMap> map_machine(const GuestImage& image) {
  Nobody nobody;
  const SystemClock clock;
  IoManager io;
  KEEL_TRY(EventFd serial_room, EventFd::create());
  KEEL_TRY(const auto platform, Platform::create({.interrupts = nobody,
                                                  .io = io,
                                                  .memory = image.memory,
                                                  .power = nobody,
                                                  .console = nobody,
                                                  .serial_room = serial_room,
                                                  .clock = clock}));
  return platform->map();
}

}  // namespace keel
