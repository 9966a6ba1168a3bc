// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keel/base/error.h"
#include "keel/vmm/backend_config.h"

namespace keel {

// How the guest's kernel learns of virtio devices. By one of them: by both it would take each device for two.
enum class VirtioDiscovery : std::uint8_t {
  kAcpi,         // LNRO0005, as distributions' kernels do
  kCommandLine,  // virtio_mmio.device=, for kernels built with CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES
};

// What a machine is made of, as the command line or an embedding program says it.
struct MachineConfig {
  static constexpr std::uint64_t kDefaultMemory = 512ull << 20;
  static constexpr unsigned kMaxCpus = 64;
  static constexpr unsigned kMaxDeviceThreads = 64;

  // A Linux bzImage or an ELF vmlinux.
  std::string kernel;
  std::optional<std::string> initrd;
  // What the kernel is told, after kLeadingCmdline. Of two contradicting words Linux takes the later one.
  std::string cmdline = "console=ttyS0";
  // Bytes of guest RAM, whole pages.
  std::uint64_t memory_size = kDefaultMemory;
  unsigned cpus = 1;

  // Virtio devices.
  bool rng = false;                    // entropy of the host's
  std::vector<DiskConfig> disks = {};  // /dev/vda, /dev/vdb, … in this order
  std::vector<NetConfig> networks = {};
  std::vector<PortConfig> ports = {};
  // A console (hvc0) that prints to this descriptor, which stays open as long as the machine.
  std::optional<int> console_output = std::nullopt;
  // At most so many threads for disks and networks, which work on them in turn: 1 to kMaxDeviceThreads. Nothing: one
  // for each of them, up to that. The other devices share the first.
  std::optional<unsigned> device_threads = std::nullopt;
  VirtioDiscovery virtio_discovery = VirtioDiscovery::kAcpi;
};

// Whether a machine can have these devices together. Error kInvalidArgument: two of them are to have one tap, one MAC
// address or one name, and the message names both; a port's name is too long, or there are too many ports.
[[nodiscard]] Result<void> check_devices(const MachineConfig& config);

// By this name the guest knows the console's own port.
inline constexpr std::string_view kConsolePortName = "console";

// How many device threads a machine with that configuration has: no more than it has disks and networks, and one at
// least. Precondition: what the configuration says of them is within its bounds.
[[nodiscard]] unsigned device_thread_count(const MachineConfig& config) noexcept;

// Ahead of every command line. A panic restarts the machine at once, through the keyboard controller (one port write),
// and as a "warm" restart, which is how the machine tells a panic from an ordinary one (see Machine). There is no PCI
// bus, and looking for one costs the guest some exits.
inline constexpr std::string_view kLeadingCmdline = "panic=-1 reboot=k,panic_warm pci=off";

// "512M", "2G", "1048576K" or plain bytes. Error kInvalidArgument says what was wrong with the text.
[[nodiscard]] Result<std::uint64_t> parse_memory_size(std::string_view text);

}  // namespace keel
