// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>

// The console device: "Virtual I/O Device (VIRTIO) Version 1.3", 5.3.
namespace keel::virtio_console {

// 5.3.3.
inline constexpr std::uint64_t kFeatureSize = 1ull << 0;
inline constexpr std::uint64_t kFeatureMultiport = 1ull << 1;

// 5.3.2: port 0 has the first two queues, then comes the control pair, then the other ports' pairs.
inline constexpr std::uint16_t kControlReceiveQueue = 2;
inline constexpr std::uint16_t kControlTransmitQueue = 3;
constexpr std::uint16_t receive_queue(std::uint32_t port) {
  return static_cast<std::uint16_t>(port == 0 ? 0 : 2 + 2 * port);
}
constexpr std::uint16_t transmit_queue(std::uint32_t port) {
  return static_cast<std::uint16_t>(receive_queue(port) + 1);
}

// 5.3.4: struct virtio_console_config { le16 cols, rows; le32 max_nr_ports, emerg_wr }.
inline constexpr std::uint64_t kConfigCols = 0;
inline constexpr std::uint64_t kConfigRows = 2;
inline constexpr std::uint64_t kConfigMaxPorts = 4;
inline constexpr std::uint64_t kConfigSize = 12;

// 5.3.6.2: struct virtio_console_control, as the guest lays it out.
struct Control {
  std::uint32_t port;
  std::uint16_t event;
  std::uint16_t value;
};
static_assert(sizeof(Control) == 8);

enum class Event : std::uint16_t {
  kDeviceReady = 0,  // driver to device
  kDeviceAdd = 1,    // device to driver: a port is there
  kDeviceRemove = 2,
  kPortReady = 3,    // driver to device: it has the port
  kConsolePort = 4,  // device to driver: the port is a console
  kResize = 5,       // device to driver, followed by le16 cols, rows
  kPortOpen = 6,     // both ways
  kPortName = 7,     // device to driver, followed by the name
};

}  // namespace keel::virtio_console
