// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Devices come, move and go under traffic, by several threads and by the devices themselves. For ThreadSanitizer too.

#include <array>
#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "fake/machine.h"
#include "keel/device/device_manager.h"

namespace keel {
namespace {

using fake::Machine;

constexpr std::uint16_t kPorts = 0x40;
constexpr std::uint16_t kRangeSize = 8;

// Counts what must never be: an access before assign() or after released(), a release with an access inside.
class Witness final : public Device, public DevicePio, public std::enable_shared_from_this<Witness> {
 public:
  Witness(DeviceManager& devices, std::atomic<std::uint64_t>& violations)
      : devices_(devices), violations_(violations) {}

  [[nodiscard]] std::string_view type() const noexcept override { return "witness"; }
  [[nodiscard]] ResourceConstraints constraints() const override {
    return {PioConstraint{.size = kRangeSize, .within = PioRange::constant(0, kPorts - 1)}, LegacyIrqConstraint{}};
  }
  Result<void> assign(const Assignment& assignment) override {
    id_ = assignment.id;
    if (assigned_.exchange(true)) ++violations_;
    return {};
  }
  void released() noexcept override {
    if (inside_ != 0 || !assigned_.exchange(false)) ++violations_;
  }
  [[nodiscard]] std::shared_ptr<DevicePio> pio() override { return shared_from_this(); }

  void pio_read(PioAddress, std::uint16_t, std::span<std::uint8_t> data) override {
    const Inside inside(*this);
    std::ranges::fill(data, std::uint8_t{0x5a});
  }
  // The guest asks it to unplug itself.
  void pio_write(PioAddress, std::uint16_t, std::span<const std::uint8_t>) override {
    const Inside inside(*this);
    (void)devices_.detach(id_);
  }

 private:
  struct Inside {
    explicit Inside(Witness& w) : witness(w) {
      ++witness.inside_;
      if (!witness.assigned_) ++witness.violations_;
    }
    ~Inside() {
      if (!witness.assigned_) ++witness.violations_;
      --witness.inside_;
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    Witness& witness;
  };

  DeviceManager& devices_;
  std::atomic<std::uint64_t>& violations_;
  std::atomic<InstanceId> id_;
  std::atomic<bool> assigned_ = false;
  std::atomic<int> inside_ = 0;
};

// A guest that reads every port, and now and then asks a device to go.
void guest(const Machine& machine, const std::atomic<bool>& stop, std::atomic<std::uint64_t>& violations,
           std::atomic<std::uint64_t>& asked) {
  std::uint64_t accesses = 0;
  while (!stop) {
    for (std::uint16_t port = 0; port < kPorts; ++port) {
      std::array<std::uint8_t, 1> data{};
      const Dispatch dispatch = machine.io.pio_read(PioAddress(port), data);
      if (data[0] != (dispatch == Dispatch::kClaimed ? 0x5a : 0xff)) ++violations;
      if (++accesses % 4095 == 0 && machine.io.pio_write(PioAddress(port), data) == Dispatch::kClaimed) ++asked;
    }
  }
}

class Operator {
 public:
  Operator(Machine& machine, std::atomic<std::uint64_t>& violations, unsigned seed)
      : machine_(machine), violations_(violations), random_(seed) {}

  void run(int changes) {
    for (int i = 0; i < changes; ++i) change();
    handles_.clear();
  }

 private:
  void change() {
    switch (random_() % 4) {
      case 0:
      case 1: plug(); break;
      case 2: unplug(); break;
      default: move(); break;
    }
  }
  void plug() {
    auto handle = machine_.devices.attach(std::make_shared<Witness>(machine_.devices, violations_),
                                          {.name = fmt::format("w{}", random_() % 8)});
    if (handle) handles_.push_back(std::move(*handle));
  }
  void unplug() {
    if (handles_.empty()) return;
    std::swap(handles_[random_() % handles_.size()], handles_.back());
    handles_.pop_back();
  }
  void move() {
    if (handles_.empty()) return;
    const InstanceId id = handles_[random_() % handles_.size()].id();
    const auto resources = machine_.devices.resources(id);
    if (!resources) return;
    const auto to = static_cast<std::uint16_t>(random_() % (kPorts - kRangeSize));
    (void)machine_.devices.move_pio(id, resources->pio().front(), PioAddress(to));
    (void)machine_.devices.view();
    (void)machine_.devices.resolve(PioAddress(to));
  }

  Machine& machine_;
  std::atomic<std::uint64_t>& violations_;
  std::minstd_rand random_;
  std::vector<DeviceHandle> handles_;
};

TEST(HotPlug, EveryAccessFindsADeviceThatIsThereOrNobody) {
  SystemConfig config = fake::small_machine();
  config.legacy_irqs = IdRange<Gsi>::constant(0, 23);
  std::atomic<std::uint64_t> violations = 0;
  std::atomic<std::uint64_t> asked_to_go = 0;
  Machine machine(nullptr, config);
  const std::string empty = machine.text();
  {
    std::atomic<bool> stop = false;
    std::vector<std::thread> guests;
    for (int i = 0; i < 2; ++i) guests.emplace_back([&] { guest(machine, stop, violations, asked_to_go); });
    std::vector<std::thread> operators;
    for (unsigned seed = 1; seed <= 2; ++seed)
      operators.emplace_back([&, seed] { Operator(machine, violations, seed).run(5000); });
    for (std::thread& thread : operators) thread.join();
    stop = true;
    for (std::thread& thread : guests) thread.join();
  }
  // Those that went by themselves may still be on their way.
  while (!machine.devices.spaces().holdings.empty()) std::this_thread::yield();
  EXPECT_EQ(violations, 0u);
  EXPECT_GT(asked_to_go, 0u);
  EXPECT_EQ(machine.text(), empty);
}

}  // namespace
}  // namespace keel
