// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/virtio_console.h"

#include <algorithm>
#include <array>
#include <utility>

#include "keel/base/little_endian.h"
#include "keel/base/try.h"
#include "keel/bus/handler_scope.h"

namespace keel {

using namespace virtio_console;

namespace {

constexpr std::uint16_t kDataQueueSize = 64;
constexpr std::uint16_t kControlQueueSize = 32;

}  // namespace

Result<std::shared_ptr<VirtioConsole>> VirtioConsole::create(std::vector<PortConfig> ports, EventLoop& loop) {
  if (ports.empty() || ports.size() > kMaxPorts) {
    return fail(ErrorCode::kInvalidArgument, "a console device with {} ports: it has 1 to {}", ports.size(), kMaxPorts);
  }
  for (const PortConfig& port : ports) {
    if (!port.host) return fail(ErrorCode::kInvalidArgument, "console port \"{}\" has no host side", port.name);
    if (port.name.size() > kLongestName) {
      return fail(ErrorCode::kInvalidArgument, "console port \"{}\": a name has at most {} bytes", port.name,
                  kLongestName);
    }
  }
  std::shared_ptr<VirtioConsole> console(new VirtioConsole(std::move(ports)));
  KEEL_TRY(LoopTimer timer, LoopTimer::create(loop, [raw = console.get()] {
             const HandlerScope scope;
             const Lock lock(raw->mutex_);
             raw->open_only_port();
           }));
  console->settled_ = std::make_unique<LoopTimer>(std::move(timer));
  for (std::uint32_t port = 0; port < console->configs_.size(); ++port)
    KEEL_TRY_VOID(console->configs_[port].host->attach(loop, console, port));
  return console;
}

VirtioConsole::VirtioConsole(std::vector<PortConfig> ports) : configs_(std::move(ports)), ports_(configs_.size()) {
  queue_sizes_.assign(2, kDataQueueSize);
  if (configs_.size() == 1) return;
  queue_sizes_.resize(2 + 2 * configs_.size(), kDataQueueSize);
  queue_sizes_[kControlReceiveQueue] = kControlQueueSize;
  queue_sizes_[kControlTransmitQueue] = kControlQueueSize;
}

VirtioConsole::~VirtioConsole() {
  if (settled_) settled_->drop_and_wait();
}

std::uint64_t VirtioConsole::features() const noexcept {
  return kFeatureSize | (configs_.size() > 1 ? kFeatureMultiport : 0);
}

void VirtioConsole::read_config(std::uint64_t offset, std::span<std::uint8_t> data) const {
  std::array<std::uint8_t, kConfigSize> config{};
  {
    const Lock lock(mutex_);
    store_le_at<std::uint16_t>(config, kConfigCols, size_.columns);
    store_le_at<std::uint16_t>(config, kConfigRows, size_.rows);
  }
  store_le_at<std::uint32_t>(config, kConfigMaxPorts, static_cast<std::uint32_t>(configs_.size()));
  for (std::size_t i = 0; i < data.size(); ++i)
    data[i] = offset + i < config.size() ? config[offset + i] : std::uint8_t{0};
}

std::uint32_t VirtioConsole::config_generation() const {
  const Lock lock(mutex_);
  return generation_;
}

void VirtioConsole::resize(TerminalSize size) {
  const Lock lock(mutex_);
  if (size == size_) return;
  size_ = size;
  ++generation_;
  if (queues_.empty() || (negotiated_ & kFeatureSize) == 0) return;
  signals_->config_changed();
  if (!is_multiport()) return;
  for (std::uint32_t port = 0; port < ports_.size(); ++port)
    if (ports_[port].ready) tell_size(port);
  send_control();
}

Result<void> VirtioConsole::activate(VirtioActivation activation) {
  const Lock lock(mutex_);
  negotiated_ = activation.features;
  queues_ = std::move(activation.queues);
  signals_ = activation.signals;
  if (!is_multiport()) settled_->arm(kSettling);
  return {};
}

void VirtioConsole::reset() noexcept {
  const Lock lock(mutex_);
  settled_->disarm();
  for (Port& port : ports_) port = {};
  told_.clear();
  queues_.clear();
  signals_ = nullptr;
  negotiated_ = 0;
}

void VirtioConsole::reset_queue(std::uint16_t index) noexcept {
  const Lock lock(mutex_);
  for (std::uint32_t port = 0; port < ports_.size(); ++port)
    if (transmit_queue(port) == index) ports_[port].sending.reset();
  queues_[index].reset();
}

void VirtioConsole::open_only_port() {
  if (queues_.empty() || is_multiport() || ports_[0].open) return;
  ports_[0] = {.ready = true, .open = true, .sending = std::move(ports_[0].sending)};
  // Linux looks at the size when it is told to, not when it starts.
  if ((negotiated_ & kFeatureSize) != 0 && size_ != TerminalSize()) signals_->config_changed();
  receive(0);
}

bool VirtioConsole::is_multiport() const {
  return (negotiated_ & kFeatureMultiport) != 0;
}

VirtQueue* VirtioConsole::queue(std::uint16_t index) const {
  return index < queues_.size() ? queues_[index].get() : nullptr;
}

void VirtioConsole::notify(std::uint16_t index) {
  const Lock lock(mutex_);
  if (queue(index) == nullptr || (index >= kControlReceiveQueue && !is_multiport())) return;
  if (index == kControlReceiveQueue || index == kControlTransmitQueue) {
    send_control();
    take_control();
    return;
  }
  const std::uint32_t port = index < kControlReceiveQueue ? 0 : index / 2u - 1;
  if (index == receive_queue(port)) {
    receive(port);
  } else {
    transmit(port);
  }
}

void VirtioConsole::input_ready(std::uint32_t port) {
  const HandlerScope scope;
  const Lock lock(mutex_);
  receive(port);
}

void VirtioConsole::output_ready(std::uint32_t port) {
  const HandlerScope scope;
  const Lock lock(mutex_);
  transmit(port);
}

void VirtioConsole::connection_changed(std::uint32_t port) {
  const HandlerScope scope;
  const Lock lock(mutex_);
  if (!is_multiport() || !ports_[port].ready) return;
  tell(port, Event::kPortOpen, configs_[port].host->connected() ? 1 : 0);
  send_control();
}

// From the guest. One request may be under way: its descriptors stay the device's until the host side has all of it.
void VirtioConsole::transmit(std::uint32_t port) {
  VirtQueue* const from = queue(transmit_queue(port));
  if (from == nullptr) return;
  std::optional<DescriptorChain>& sending = ports_[port].sending;
  from->suppress_notifications();
  bool blocked = false;
  for (std::uint32_t left = from->size(); left != 0 && !blocked; --left) {
    if (!sending) sending = from->pop();
    if (!sending) break;
    open_only_port();
    blocked = !write_out(port, sending->readable());
    if (blocked) break;
    from->complete(std::move(*sending), 0);
    sending.reset();
  }
  from->signal();
  // Where the host side is full there is nothing to be notified of: output_ready() goes on.
  if (!blocked && from->request_notifications()) signals_->call_again(from->index());
}

// Whether it took all.
bool VirtioConsole::write_out(std::uint32_t port, ReadableBuffers& data) {
  while (!data.empty()) {
    const iovec& piece = data.segments().front();
    const std::size_t taken =
        configs_[port].host->write({static_cast<const std::uint8_t*>(piece.iov_base), piece.iov_len});
    if (taken == 0) return false;
    data.skip(taken);
  }
  return true;
}

// To the guest, as long as it has room and the host side has bytes.
void VirtioConsole::receive(std::uint32_t port) {
  VirtQueue* const to = queue(receive_queue(port));
  if (to == nullptr || !ports_[port].open) return;
  to->suppress_notifications();
  bool more_room = false;
  for (std::uint32_t left = to->size(); left != 0; --left) {
    auto chain = to->pop();
    if (!chain) {
      more_room = to->request_notifications();
      break;
    }
    if (const std::uint32_t count = read_in(port, chain->writable()); count != 0 || chain->writable().empty()) {
      to->complete(std::move(*chain), count);
      more_room = left == 1;
    } else {
      to->put_back(std::move(*chain));  // input_ready() goes on
      break;
    }
  }
  to->signal();
  if (more_room) signals_->call_again(to->index());
}

std::uint32_t VirtioConsole::read_in(std::uint32_t port, WritableBuffers& room) {
  std::uint64_t count = 0;
  for (const iovec& piece : room.segments()) {
    const std::size_t got = configs_[port].host->read({static_cast<std::uint8_t*>(piece.iov_base), piece.iov_len});
    count += got;
    if (got < piece.iov_len) break;
  }
  return static_cast<std::uint32_t>(count);
}

// The driver's messages, also while answers wait for room: Linux gives none before its own message was taken.
void VirtioConsole::take_control() {
  VirtQueue* const from = queue(kControlTransmitQueue);
  if (from == nullptr) return;
  from->drain([&](DescriptorChain chain) KEEL_NO_THREAD_SAFETY_ANALYSIS {
    if (const auto control = chain.readable().read_object<Control>()) obey(*control);
    from->complete(std::move(chain), 0);
    send_control();
  });
}

void VirtioConsole::obey(const Control& control) {
  const auto event = static_cast<Event>(control.event);
  if (event == Event::kDeviceReady && control.value == 1) {
    for (std::uint32_t port = 0; port < ports_.size(); ++port) tell(port, Event::kDeviceAdd, 1);
    return;
  }
  if (control.port >= ports_.size()) return;
  Port& port = ports_[control.port];
  if (event == Event::kPortReady && control.value == 1) {
    port.ready = true;
    introduce(control.port);
  } else if (event == Event::kPortOpen && port.ready) {
    port.open = control.value != 0;
    receive(control.port);
  }
}

// What the driver wants to know of a port before it is of use.
void VirtioConsole::introduce(std::uint32_t port) {
  const PortConfig& config = configs_[port];
  if (config.kind == Kind::kConsole) {
    tell(port, Event::kConsolePort, 1);
    tell_size(port);
  }
  if (!config.name.empty()) {
    tell(port, Event::kPortName, 1, {reinterpret_cast<const std::uint8_t*>(config.name.data()), config.name.size()});
  }
  if (config.host->connected()) tell(port, Event::kPortOpen, 1);
}

void VirtioConsole::tell(std::uint32_t port, Event event, std::uint16_t value, std::span<const std::uint8_t> more) {
  // Made in one size: g++ 12 takes an insertion at the end of what it knows the size of for one beyond it.
  Message message(sizeof(Control) + more.size());
  std::ranges::copy(more, std::span(message).subspan(sizeof(Control)).begin());
  store_le_at<std::uint32_t>(message, 0, port);
  store_le_at<std::uint16_t>(message, 4, std::to_underlying(event));
  store_le_at<std::uint16_t>(message, 6, value);
  // Of a port and an event only the latest is worth sending. So a driver that only talks makes nothing grow.
  std::erase_if(told_,
                [&](const Message& other) { return std::equal(message.begin(), message.begin() + 6, other.begin()); });
  told_.push_back(std::move(message));
}

void VirtioConsole::tell_size(std::uint32_t port) {
  if (configs_[port].kind != Kind::kConsole || (negotiated_ & kFeatureSize) == 0) return;
  std::array<std::uint8_t, 4> size{};
  store_le_at<std::uint16_t>(size, 0, size_.columns);
  store_le_at<std::uint16_t>(size, 2, size_.rows);
  tell(port, Event::kResize, 0, size);
}

void VirtioConsole::send_control() {
  VirtQueue* const to = queue(kControlReceiveQueue);
  if (to == nullptr) return;
  while (!told_.empty()) {
    auto chain = to->pop();
    if (!chain) {
      if (to->request_notifications()) continue;
      break;
    }
    // A buffer that is too small gets what fits, as 5.3.6.2 has no other answer.
    const auto count = static_cast<std::uint32_t>(chain->writable().write_some(told_.front()));
    to->complete(std::move(*chain), count);
    told_.pop_front();
  }
  to->signal();
}

}  // namespace keel
