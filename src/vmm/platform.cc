// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/vmm/platform.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>

#include "src/vmm/pc_layout.h"
#include "keel/arch/x86_64/acpi/acpi_tables.h"
#include "keel/arch/x86_64/linux_boot.h"
#include "keel/arch/x86_64/memory_map.h"
#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel {

void Platform::RoomSignal::room_again() {
  const auto signalled = event_.signal();
  check(signalled.has_value(), "the machine's own eventfd takes a signal");
}

Result<std::unique_ptr<Platform>> Platform::create(const Wiring& wiring, const MachineConfig& config,
                                                   MachineBackends backends) {
  KEEL_TRY(auto spaces, SystemAllocator<Mutex>::create(pc_spaces(wiring.memory.total_size())));
  std::unique_ptr<Platform> platform(new Platform(wiring, std::move(spaces)));
  KEEL_TRY_VOID(reserve_pc(platform->devices_, wiring.memory.regions().size()));
  KEEL_TRY_VOID(platform->attach_devices());
  KEEL_TRY_VOID(platform->virtio_.attach_all(config, std::move(backends)));
  return platform;
}

Platform::Platform(const Wiring& wiring, SystemAllocator<Mutex> spaces)
    : memory_(wiring.memory),
      interrupts_(wiring.interrupts),
      wires_(interrupts_),
      doorbells_(wiring.doorbells, *wiring.loops.front(), wiring.io),
      doorbell_step_(doorbells_),
      room_(wiring.serial_room),
      com1_(std::make_shared<Locked<Uart16550>>(com1_line_, wiring.console, room_)),
      keyboard_(std::make_shared<Locked<I8042>>(keyboard_line_, wiring.power)),
      rtc_(std::make_shared<Locked<CmosRtc>>(wiring.clock)),
      acpi_pm_(std::make_shared<Locked<AcpiPm>>(AcpiPmPorts{.pm1_event = x86_64::kPm1EventPorts.first(),
                                                            .pm1_control = x86_64::kPm1ControlPorts.first(),
                                                            .timer = x86_64::kPmTimerPorts.first()},
                                                acpi_line_, wiring.clock, wiring.power)),
      devices_(std::move(spaces), wiring.io, {.interrupts = &wires_, .steps = {&doorbell_step_}}),
      virtio_({.devices = devices_,
               .memory = memory_,
               .loops = wiring.loops,
               .entropy = entropy_,
               .terminal_room = wiring.serial_room,
               .clock = wiring.clock}) {}

Result<void> Platform::attach_devices() {
  const auto at = [](PioRange ports) { return PioConstraint::exactly(ports); };
  const auto irq = [](Gsi gsi) { return LegacyIrqConstraint{gsi}; };
  KEEL_TRY_VOID(attach("com1", {.type = "uart16550",
                                .constraints = {at(x86_64::kCom1Ports), irq(x86_64::kCom1Gsi)},
                                .pio = com1_,
                                .lines = {&com1_line_}}));
  KEEL_TRY_VOID(attach("rtc", {.type = "mc146818", .constraints = {at(x86_64::kRtcPorts)}, .pio = rtc_}));
  KEEL_TRY_VOID(attach("i8042", {.type = "i8042",
                                 .constraints = {at(PioRange::single(i8042::kDataPort)),
                                                 at(PioRange::single(i8042::kCommandPort)), irq(x86_64::kKeyboardGsi)},
                                 .pio = keyboard_,
                                 .lines = {&keyboard_line_}}));
  return attach("acpi-pm",
                {.type = "acpi-pm",
                 .constraints = {at(x86_64::kPm1EventPorts), at(x86_64::kPm1ControlPorts), irq(x86_64::kAcpiGsi)},
                 .pio = acpi_pm_,
                 .lines = {&acpi_line_}});
}

Result<void> Platform::attach(std::string name, PlainDevice::Parts parts) {
  KEEL_TRY(DeviceHandle handle,
           devices_.attach(std::make_shared<PlainDevice>(std::move(parts)), {.name = std::move(name)}));
  handle.keep();
  return {};
}

MachineMap Platform::map() const {
  MachineMap map{.ram = {},
                 .devices = devices_.view(),
                 .spaces = devices_.spaces(),
                 .interrupts = interrupts_.holdings(),
                 .doorbells = {}};
  for (const MemoryRegion& region : memory_.regions()) map.ram.push_back(region.range);
  std::ranges::sort(map.interrupts, {}, [](const kvm::InterruptHolding& holding) {
    return std::tuple(!holding.gsi, holding.gsi.value_or(Gsi(0)), std::string_view(holding.owner), holding.index);
  });
  for (const AnyDoorbell& doorbell : doorbell_step_.doorbells()) {
    const auto holder = std::visit([&](const auto& on) { return devices_.resolve(on.address); }, doorbell);
    if (holder) map.doorbells.push_back({holder->path, doorbell});  // else it has been detached meanwhile
  }
  return map;
}

Result<KernelCmdline> Platform::command_line(const GuestImage& image) const {
  KernelCmdline line = image.cmdline;
  if (image.config.virtio_discovery == VirtioDiscovery::kCommandLine) {
    KEEL_TRY_VOID(virtio_.insert_into(line));
  }
  return line;
}

Result<void> Platform::describe(const GuestImage& image) const {
  x86_64::AcpiConfig config;
  config.cpu_count = image.config.cpus;
  // Nothing is plugged into the keyboard controller: a guest that is not told of it saves the probe, and resets the
  // machine through it all the same.
  config.keyboard_controller = x86_64::KeyboardController::kAbsent;
  // Nobody can press it.
  config.power_button = x86_64::PowerButton::kAbsent;
  // Guests have better clocks, and measure this one at length where they are told of it.
  config.fixed_hardware.pm_timer.reset();
  config.devices = {x86_64::acpi_com1(), x86_64::acpi_rtc()};
  if (image.config.virtio_discovery == VirtioDiscovery::kAcpi)
    for (const x86_64::AcpiDevice& device : virtio_.acpi_devices()) config.devices.push_back(device);
  KEEL_TRY_VOID(x86_64::write_acpi_tables(memory_, config));
  KEEL_TRY(const KernelCmdline line, command_line(image));
  return x86_64::write_command_line(memory_, line.text(), image.kernel);
}

std::optional<std::size_t> Platform::type(std::span<const std::uint8_t> bytes) {
  if (virtio_.has_terminal()) return virtio_.type(bytes);
  std::size_t taken = 0;
  if (!com1_->try_with_lock([&](Uart16550& uart) { taken = uart.receive(bytes); })) return std::nullopt;
  return taken;
}

}  // namespace keel
