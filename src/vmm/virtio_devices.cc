// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/vmm/virtio_devices.h"

#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "keel/arch/x86_64/memory_map.h"
#include "keel/base/check.h"
#include "keel/base/try.h"
#include "keel/devices/virtio_block.h"
#include "keel/devices/virtio_net.h"
#include "keel/devices/virtio_rng.h"
#include "keel/virtio/virtio_mmio.h"

namespace keel {
namespace {

// The pins that no device of a PC has by custom, and those that most PCs' devices have and this one's do not.
constexpr IdRange<Gsi> kIrqs = IdRange<Gsi>::constant(5, 23);

// As configured, or a random one of those that nobody was given (IEEE 802, locally administered).
Result<MacAddress> mac_of(const NetConfig& config) {
  if (config.mac) return *config.mac;
  MacAddress mac;
  if (::getrandom(mac.octets.data(), mac.octets.size(), 0) != static_cast<ssize_t>(mac.octets.size()))
    return std::unexpected(system_error(errno, "a random MAC address"));
  mac.octets[0] = 0x02;
  return mac;
}

}  // namespace

Result<void> VirtioDevices::attach_all(const MachineConfig& config, MachineBackends backends) {
  if (config.rng) {
    EventLoop& loop = *wiring_.loops.front();
    KEEL_TRY(auto rng, VirtioRng::create(wiring_.entropy, wiring_.clock, loop));
    KEEL_TRY_VOID(attach("rng0", std::move(rng), loop));
  }
  check(backends.disks.size() == config.disks.size() && backends.networks.size() == config.networks.size() &&
            backends.ports.size() == config.ports.size(),
        "a machine's backends are those of its configuration");
  KEEL_TRY_VOID(attach_console(config, backends));
  KEEL_TRY_VOID(attach_disks(config, backends));
  return attach_networks(config, backends);
}

// Of a machine's processors each gets a queue of its own.
Result<void> VirtioDevices::attach_disks(const MachineConfig& config, MachineBackends& backends) {
  const auto queues = static_cast<std::uint16_t>(std::min<unsigned>(config.cpus, VirtioBlock::kMaxQueues));
  for (std::size_t i = 0; i < backends.disks.size(); ++i) {
    const std::string id = fmt::format("disk{}", i);
    EventLoop& loop = next_loop();
    KEEL_TRY(auto disk,
             VirtioBlock::create({.disk = std::move(backends.disks[i]), .loop = loop, .id = id, .queues = queues}));
    KEEL_TRY_VOID(attach(id, std::move(disk), loop));
  }
  return {};
}

Result<void> VirtioDevices::attach_networks(const MachineConfig& config, MachineBackends& backends) {
  for (std::size_t i = 0; i < backends.networks.size(); ++i) {
    KEEL_TRY(const MacAddress mac, mac_of(config.networks[i]));
    EventLoop& loop = next_loop();
    KEEL_TRY(auto network, VirtioNet::create({.network = std::move(backends.networks[i]), .loop = loop, .mac = mac}));
    KEEL_TRY_VOID(attach(fmt::format("net{}", i), std::move(network), loop));
  }
  return {};
}

// The terminal, where it is a console, is the first port.
Result<void> VirtioDevices::attach_console(const MachineConfig& config, MachineBackends& backends) {
  std::vector<VirtioConsole::PortConfig> ports;
  if (config.console_output) {
    terminal_ = std::make_shared<TerminalPort>(*config.console_output, wiring_.terminal_room);
    ports.push_back({.host = terminal_, .name = std::string(kConsolePortName)});
  }
  for (std::size_t i = 0; i < backends.ports.size(); ++i) {
    ports.push_back(
        {.host = std::move(backends.ports[i]), .kind = VirtioConsole::Kind::kPlain, .name = config.ports[i].name});
  }
  if (ports.empty()) return {};
  EventLoop& loop = *wiring_.loops.front();
  KEEL_TRY(console_, VirtioConsole::create(std::move(ports), loop));
  return attach("console0", console_, loop);
}

void VirtioDevices::resize(TerminalSize size) {
  if (console_) console_->resize(size);
}

Result<void> VirtioDevices::attach(std::string_view id, std::shared_ptr<VirtioDevice> device, EventLoop& loop) {
  if (!manager_) {
    KEEL_TRY(manager_, MmioDeviceManager::create(wiring_.devices, {.windows = x86_64::kMmioWindow32, .irqs = kIrqs}));
  }
  KEEL_TRY(auto transport, VirtioMmio::create(std::move(device), wiring_.memory, loop));
  KEEL_TRY_VOID(manager_->add(id, std::move(transport)));
  return {};
}

std::vector<x86_64::AcpiDevice> VirtioDevices::acpi_devices() const {
  std::vector<x86_64::AcpiDevice> devices;
  if (!manager_) return devices;
  for (const MmioDeviceInfo& info : manager_->infos()) {
    const auto index = static_cast<unsigned>(devices.size());
    devices.push_back(x86_64::acpi_virtio_mmio(index, info.window, info.irq));
  }
  return devices;
}

Result<void> VirtioDevices::insert_into(KernelCmdline& cmdline) const {
  if (!manager_) return {};
  for (const MmioDeviceInfo& info : manager_->infos()) {
    if (auto inserted = insert_virtio_mmio(cmdline, info); !inserted) {
      return fail(inserted.error().code(),
                  "the kernel cannot be told of {} \"{}\": {}; use a shorter command line, fewer devices, or ACPI",
                  info.type, info.id, inserted.error().message());
    }
  }
  return {};
}

}  // namespace keel
