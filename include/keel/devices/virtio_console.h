// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keel/base/error.h"
#include "keel/base/event_loop.h"
#include "keel/base/loop_timer.h"
#include "keel/base/mutex.h"
#include "keel/devices/console_port.h"
#include "keel/devices/virtio_console_spec.h"
#include "keel/virtio/virtio_device.h"

namespace keel {

// Console device.
//
// Implements: VIRTIO 1.3, 5.3: the terminal's size, several ports with names, control queues. A port whose host side is
//   slow holds up its own output, nothing else.
// Leaves out: emergency write; adding and removing ports of a running device.
// What the guest needs: its driver (Linux: virtio_console). Consoles are /dev/hvc0 and on, other ports
//   /dev/vportNpM, by name in /dev/virtio-ports. Linux before 6.17 swaps rows and columns of a size that comes by
//   control queue, so a device with one port tells it by configuration, which Linux always understood.
class VirtioConsole final : public VirtioDevice,
                            public ConsolePortUser,
                            public std::enable_shared_from_this<VirtioConsole> {
 public:
  enum class Kind : std::uint8_t { kConsole, kPlain };
  struct PortConfig {
    std::shared_ptr<ConsolePort> host;
    Kind kind = Kind::kConsole;
    std::string name = {};  // told to the driver where there are several ports
  };
  static constexpr std::size_t kMaxPorts = 31;
  static constexpr std::size_t kLongestName = 64;  // bytes of a port's

  // How long the only port of a device keeps input from a driver that prints nothing; see `settled_`.
  static constexpr std::chrono::nanoseconds kSettling = std::chrono::seconds(1);

  // Port i is ports[i]; `loop`, the transport's, outlives it. Errors: kInvalidArgument (no port, too many, one without
  // a host side, a name longer than kLongestName), those of LoopTimer::create()
  // and ConsolePort::attach().
  [[nodiscard]] static Result<std::shared_ptr<VirtioConsole>> create(std::vector<PortConfig> ports, EventLoop& loop);
  ~VirtioConsole() override;

  // The size of the terminal of all consoles. From any thread.
  void resize(TerminalSize size);

  // VirtioDevice.
  [[nodiscard]] virtio::DeviceId device_id() const noexcept override { return virtio::DeviceId::kConsole; }
  [[nodiscard]] std::string_view type() const noexcept override { return "virtio-console"; }
  [[nodiscard]] std::uint64_t features() const noexcept override;
  [[nodiscard]] std::span<const std::uint16_t> queue_sizes() const noexcept override { return queue_sizes_; }
  void read_config(std::uint64_t offset, std::span<std::uint8_t> data) const override;
  [[nodiscard]] std::uint32_t config_generation() const override;
  Result<void> activate(VirtioActivation activation) override;
  void reset() noexcept override;
  void reset_queue(std::uint16_t index) noexcept override;
  void notify(std::uint16_t queue) override;

  // ConsolePortUser.
  void input_ready(std::uint32_t port) override;
  void output_ready(std::uint32_t port) override;
  void connection_changed(std::uint32_t port) override;

 private:
  struct Port {
    bool ready = false;                           // the driver has it
    bool open = false;                            // the driver wants its input
    std::optional<DescriptorChain> sending = {};  // what the host side has not taken all of
  };
  using Message = std::vector<std::uint8_t>;

  explicit VirtioConsole(std::vector<PortConfig> ports);
  [[nodiscard]] VirtQueue* queue(std::uint16_t index) const KEEL_REQUIRES(mutex_);
  [[nodiscard]] bool is_multiport() const KEEL_REQUIRES(mutex_);
  void open_only_port() KEEL_REQUIRES(mutex_);
  void transmit(std::uint32_t port) KEEL_REQUIRES(mutex_);
  bool write_out(std::uint32_t port, ReadableBuffers& data) KEEL_REQUIRES(mutex_);
  void receive(std::uint32_t port) KEEL_REQUIRES(mutex_);
  std::uint32_t read_in(std::uint32_t port, WritableBuffers& room) KEEL_REQUIRES(mutex_);
  // Control queues.
  void take_control() KEEL_REQUIRES(mutex_);
  void obey(const virtio_console::Control& control) KEEL_REQUIRES(mutex_);
  void introduce(std::uint32_t port) KEEL_REQUIRES(mutex_);
  void tell(std::uint32_t port, virtio_console::Event event, std::uint16_t value,
            std::span<const std::uint8_t> more = {}) KEEL_REQUIRES(mutex_);
  void tell_size(std::uint32_t port) KEEL_REQUIRES(mutex_);
  void send_control() KEEL_REQUIRES(mutex_);

  // Configuration and handles.
  const std::vector<PortConfig> configs_;
  std::vector<std::uint16_t> queue_sizes_;  // set once
  // Linux frees, unread, what comes between DRIVER_OK and the end of its probe. With control queues it says when a port
  // is open; without, what it prints says so, or time does.
  std::unique_ptr<LoopTimer> settled_;  // set once
  // State. Lock order: this, then those of the ports' host sides.
  mutable Mutex mutex_;
  TerminalSize size_ KEEL_GUARDED_BY(mutex_);
  std::uint32_t generation_ KEEL_GUARDED_BY(mutex_) = 0;
  std::uint64_t negotiated_ KEEL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<VirtQueue>> queues_ KEEL_GUARDED_BY(mutex_);  // empty: not active
  DriverSignals* signals_ KEEL_GUARDED_BY(mutex_) = nullptr;
  std::vector<Port> ports_ KEEL_GUARDED_BY(mutex_);
  std::deque<Message> told_ KEEL_GUARDED_BY(mutex_);  // for the control queue, and not in it yet
};

}  // namespace keel
