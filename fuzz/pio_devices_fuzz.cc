// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Feeds every port I/O device random accesses, host events and time. An input's first byte picks the device; the
// harness finds the ports in the device's ranges. A new device is one line in Machine::subjects().

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include "support/fake_clock.h"
#include "support/fake_interrupt.h"
#include "support/fake_power_control.h"
#include "support/pio_driver.h"
#include "keel/base/check.h"
#include "keel/devices/acpi_pm.h"
#include "keel/devices/cmos_rtc.h"
#include "keel/devices/i8042.h"
#include "keel/devices/uart16550.h"

namespace keel {
namespace {

using testing::PioDriver;

struct Terminal final : SerialOutput, SerialInputSource {
  void write(std::span<const std::uint8_t> bytes) override { check(!bytes.empty(), "the serial port sends something"); }
  void room_again() override {
    check(waits, "the input is woken only if it waits");
    waits = false;
  }
  bool waits = false;
};

// A device as the fuzzer sees it.
struct Subject {
  MutDevicePio& device;
  std::vector<PioRange> ranges;
  std::function<void(FuzzedDataProvider&)> host_event;
  // What must be so after anything a guest did.
  std::function<void(PioDriver&)> invariants;
};

class Machine {
 public:
  std::vector<Subject> subjects() {
    return {
        {uart_, {PioRange::constant(0x3f8, 0x3ff)}, [this](auto& in) { type(in); }, [this](auto& d) { check_uart(d); }},
        {i8042_, {PioRange::constant(0x60, 0x60), PioRange::constant(0x64, 0x64)}, nullptr, check_i8042},
        {rtc_, {mc146818::kPorts}, [this](auto& in) { set_host_clock(in); }, check_rtc},
        {pm_,
         {PioRange::constant(0x600, 0x603), PioRange::constant(0x604, 0x605), PioRange::constant(0x608, 0x60b)},
         [this](auto&) { pm_.press_power_button(); },
         [this](auto& d) { check_pm(d); }},
    };
  }

  testing::FakeClock& clock() { return clock_; }

 private:
  void type(FuzzedDataProvider& input) {
    const std::vector<std::uint8_t> bytes =
        input.ConsumeBytes<std::uint8_t>(input.ConsumeIntegralInRange<std::size_t>(0, 40));
    const std::size_t taken = uart_.receive(bytes);
    check(taken <= bytes.size() && taken <= uart16550::kFifoDepth, "the serial port takes what it has room for");
    if (taken < bytes.size()) terminal_.waits = true;
  }

  // Once the guest asks for input and reads all there is, nobody waits and the interrupt is down.
  void check_uart(PioDriver& guest) {
    using namespace uart16550;
    guest.outb(0x3f8 + kLcr, 0);
    guest.outb(0x3f8 + kMcr, kMcrRts);
    std::size_t count = 0;
    for (; (guest.inb(0x3f8 + kLsr) & kLsrDataReady) != 0; ++count) guest.inb(0x3f8 + kRbr);
    check(count <= kFifoDepth, "the FIFO holds sixteen bytes");
    check(!terminal_.waits, "input stalls in front of an empty FIFO");
    guest.outb(0x3f8 + kIer, 0);
    check(!serial_irq_.is_high(), "an interrupt that is not enabled");
  }

  static void check_i8042(PioDriver& guest) {
    guest.inb(0x60);
    const std::uint8_t status = guest.inb(0x64);
    check((status & (i8042::kStatusInputFull | i8042::kStatusOutputFull)) == 0, "the controller is ready once read");
  }

  void set_host_clock(FuzzedDataProvider& input) {
    // The years 1770 to 2169; std::chrono's nanoseconds end a century beyond.
    constexpr std::int64_t kSeconds = 200LL * 365 * 86400;
    clock_.set_wall(std::chrono::sys_seconds(std::chrono::seconds(input.ConsumeIntegralInRange(-kSeconds, kSeconds))));
  }

  static void check_rtc(PioDriver& guest) {
    using namespace mc146818;
    const auto read = [&](std::uint8_t index) {
      guest.outb(0x70, index);
      return guest.inb(0x71);
    };
    guest.outw(0x70, kRegisterB | (k24Hours | kBinary) << 8);
    check(read(kSeconds) < 60 && read(kMinutes) < 60 && read(kHours) < 24, "a time of day");
    check(read(kDayOfMonth) >= 1 && read(kDayOfMonth) <= 31 && read(kMonth) >= 1 && read(kMonth) <= 12, "a date");
    check(read(kYear) < 100 && read(kCentury) < 100, "a year");
    check(read(kDayOfWeek) >= 1 && read(kDayOfWeek) <= 7, "a day of the week");
  }

  void check_pm(PioDriver& guest) {
    check((guest.inw(0x604) & acpi_pm::kSciEnable) != 0, "ACPI mode is for ever");
    guest.outl(0x600, 0x0000ffff);
    check(guest.inl(0x600) == 0 && !sci_.is_high(), "a cleared event stays away");
  }

  testing::FakeClock clock_{std::chrono::sys_days(std::chrono::year(2024) / 2 / 28)};
  testing::FakePowerControl power_;
  testing::FakeLevelInterrupt serial_irq_, keyboard_irq_, sci_;
  Terminal terminal_;
  Uart16550 uart_{serial_irq_, terminal_, terminal_};
  I8042 i8042_{keyboard_irq_, power_};
  CmosRtc rtc_{clock_};
  AcpiPm pm_{{PioAddress(0x600), PioAddress(0x604), PioAddress(0x608)}, sci_, clock_, power_};
};

// One access inside one range, of any size and place, as the bus would hand it on.
void access(FuzzedDataProvider& input, Subject& subject) {
  const PioRange& range = subject.ranges[input.ConsumeIntegralInRange<std::size_t>(0, subject.ranges.size() - 1)];
  const auto offset = static_cast<std::uint16_t>(input.ConsumeIntegralInRange<std::uint64_t>(0, range.last_offset()));
  const auto room = static_cast<std::size_t>(range.size() - offset);
  const auto size = std::min(room, input.ConsumeIntegralInRange<std::size_t>(0, 8));
  std::uint8_t bytes[8] = {};
  if (input.ConsumeBool()) {
    subject.device.pio_read(range.first(), offset, std::span(bytes, size));
  } else {
    store_le(bytes, input.ConsumeIntegral<std::uint64_t>() >> (8 * (8 - std::max<std::size_t>(size, 1))));
    subject.device.pio_write(range.first(), offset, std::span<const std::uint8_t>(bytes, size));
  }
}

void run(FuzzedDataProvider& input) {
  Machine machine;
  std::vector<Subject> subjects = machine.subjects();
  Subject& subject = subjects[input.ConsumeIntegralInRange<std::size_t>(0, subjects.size() - 1)];
  PioDriver guest(subject.device, subject.ranges);
  for (int step = 0; step < 1'000 && input.remaining_bytes() > 0; ++step) {
    switch (input.ConsumeIntegralInRange(0, 15)) {
      case 0: machine.clock().advance(std::chrono::nanoseconds(input.ConsumeIntegral<std::uint32_t>())); break;
      case 1:
        if (subject.host_event) subject.host_event(input);
        break;
      case 2: subject.invariants(guest); break;
      default: access(input, subject); break;
    }
  }
  subject.invariants(guest);
}

}  // namespace
}  // namespace keel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  keel::run(input);
  return 0;
}
