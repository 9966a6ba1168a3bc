// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/machine_backends.h"

#include <utility>

#include "keel/backends/disk_file.h"
#include "keel/backends/socket_port.h"
#include "keel/backends/tap.h"
#include "keel/backends/user_network.h"
#include "keel/base/try.h"

namespace keel {
namespace {

class NoDisk final : public BlockBackend {
 public:
  explicit NoDisk(DiskProperties::Access access) noexcept : properties_{.size = 512, .access = access} {}

  [[nodiscard]] const DiskProperties& properties() const noexcept override { return properties_; }
  void submit(const BlockRequest& /*request*/) override {}
  void commit() override {}
  [[nodiscard]] std::span<const BlockCompletion> completed() override { return {}; }
  [[nodiscard]] int completion_fd() const noexcept override { return -1; }
  void wait() override {}
  void abandon() override {}

 private:
  const DiskProperties properties_;
};

class NoNetwork final : public NetBackend {
 public:
  explicit NoNetwork(std::uint16_t queue_pairs) noexcept : properties_{.queue_pairs = queue_pairs} {}

  [[nodiscard]] const NetProperties& properties() const noexcept override { return properties_; }
  Result<void> start(EventLoop& /*loop*/, std::uint64_t /*guest_offloads*/, NetListener& /*listener*/) override {
    return {};
  }
  void stop() noexcept override {}
  Result<void> use_queue_pairs(std::uint16_t /*count*/) override { return {}; }
  [[nodiscard]] Sent send(std::uint16_t /*pair*/, const virtio_net::Header& /*header*/,
                          std::span<const iovec> /*frame*/) override {
    return Sent::kSent;
  }
  [[nodiscard]] std::size_t receive(std::uint16_t /*pair*/, virtio_net::Header& /*header*/,
                                    std::span<std::uint8_t> /*buffer*/) override {
    return 0;
  }

 private:
  const NetProperties properties_;
};

class NoPort final : public ConsolePort {
 public:
  Result<void> attach(EventLoop& /*loop*/, std::weak_ptr<ConsolePortUser> /*user*/, std::uint32_t /*port*/) override {
    return {};
  }
  [[nodiscard]] std::size_t read(std::span<std::uint8_t> /*bytes*/) override { return 0; }
  [[nodiscard]] std::size_t write(std::span<const std::uint8_t> bytes) override { return bytes.size(); }
};

// A queue pair for each processor, where the tap has as many.
TapOptions tap_options(const NetConfig& config, unsigned cpus) {
  return {.name = *config.tap, .queue_pairs = static_cast<std::uint16_t>(cpus)};
}

Result<std::unique_ptr<NetBackend>> open_network(const NetConfig& config, unsigned cpus) {
  if (!config.tap) return start_user_network({.forwards = config.forwards, .program = {}});
  return open_tap(tap_options(config, cpus));
}

}  // namespace

Result<MachineBackends> MachineBackends::open(const MachineConfig& config) {
  MachineBackends backends;
  for (const DiskConfig& disk : config.disks) {
    KEEL_TRY(backends.disks.emplace_back(), open_disk(disk.path, {.access = disk.access}));
  }
  for (const NetConfig& network : config.networks) {
    KEEL_TRY(backends.networks.emplace_back(), open_network(network, config.cpus));
  }
  for (const PortConfig& port : config.ports) {
    KEEL_TRY(backends.ports.emplace_back(), listen_port(port.socket));
  }
  return backends;
}

MachineBackends MachineBackends::absent(const MachineConfig& config) {
  MachineBackends backends;
  for (const DiskConfig& disk : config.disks) backends.disks.push_back(std::make_unique<NoDisk>(disk.access));
  for (const NetConfig& network : config.networks) {
    std::uint16_t pairs = 1;
    if (network.tap) pairs = tap_queue_pairs(tap_options(network, config.cpus)).value_or(1);
    backends.networks.push_back(std::make_unique<NoNetwork>(pairs));
  }
  for (std::size_t i = 0; i < config.ports.size(); ++i) backends.ports.push_back(std::make_shared<NoPort>());
  return backends;
}

}  // namespace keel
