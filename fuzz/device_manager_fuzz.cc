// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Attaches, detaches, moves and looks up devices at random, from outside and from inside I/O handlers, with failures at
// random steps, beside a model that tries every address. Both must agree after every call, and a call that failed must
// have changed nothing.

#include <fuzzer/FuzzedDataProvider.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fake/bus.h"
#include "fake/machine.h"
#include "fake/model_machine.h"
#include "support/fail_at_step.h"
#include "keel/base/check.h"
#include "keel/device/device_manager.h"

namespace keel {
namespace {

constexpr std::uint64_t kMmioBase = 0xd000'0000;
constexpr std::uint64_t kMemoryBase = 0x1'0000'0000 - 2;  // managed from two on
constexpr std::size_t kMemorySize = 4;

class Session {
 public:
  explicit Session(const std::uint8_t* data, std::size_t size) : input_(data, size) {}

  void run() {
    const std::string empty = machine_.text();
    for (int i = 0; i < 200 && input_.remaining_bytes() > 0; ++i) {
      if (input_.ConsumeIntegral<std::uint8_t>() < 64)
        inside_a_handler();
      else
        change();
      settle();
      compare();
    }
    while (!model_.nodes.empty()) {
      const InstanceId top = model_.nodes.begin()->first;
      check(machine_.devices.detach(top, Children::kRemove).has_value(), "a device at rest can be detached");
      model_.detach(top, Children::kRemove);
    }
    check(machine_.text() == empty, "an emptied machine is as a new one");
  }

 private:
  // Runs a change inside the handler of a device that traps ports, where there is one.
  void inside_a_handler() {
    for (const auto& [id, node] : model_.nodes) {
      if (node.role == DeviceRole::kReservation || node.resources.pio().empty()) continue;
      const std::uint16_t port = node.resources.pio().front().first().value();
      const auto device = machine_.devices.device_as<fake::MachineDevice>(id);
      bool ran = false;
      device->in_handler = [&] {
        if (!std::exchange(ran, true)) change();
      };
      fake::guest_in<std::uint8_t>(machine_.io, port);
      check(ran, "the guest reaches the device at its port");
      device->in_handler = nullptr;
      return;
    }
    change();
  }

  void change() {
    before_ = machine_.text();
    switch (input_.ConsumeIntegralInRange(0, 5)) {
      case 0:
      case 1:
      case 2: attach(); break;
      case 3: detach(); break;
      case 4: move(); break;
      default: resolve(); break;
    }
    faults_.arm(test::FailAtStep::kNever);
  }

  void attach() {
    AttachRequest request = this->request();
    const auto role = input_.PickValueInArray({DeviceRole::kDevice, DeviceRole::kBus, DeviceRole::kReservation});
    auto device = std::make_shared<fake::MachineDevice>(ResourceConstraints(), role);
    device->host.resize(kMemorySize);
    device->in_assign = [this](const Assignment&) { return faults_.before("device accepts"); };
    arm();
    auto handle = machine_.devices.attach(device, request);
    if (!handle) return refused(!faulted() && model_.attach(request, role).has_value());
    check(model_.attach(request, role) == handle->keep(), "an attach that must fail fails, and gives the lowest id");
  }

  void detach() {
    const InstanceId id = any_id();
    const auto children = input_.ConsumeBool() ? Children::kRefuse : Children::kRemove;
    arm();
    auto gone = machine_.devices.detach(id, children);
    if (!gone) return refused(!faulted() && model_.detach(id, children));
    leaving_ = *gone;
    check(model_.detach(id, children), "a detach that must fail fails");
  }

  void move() {
    const InstanceId id = any_id();
    const auto node = model_.nodes.find(id);
    const auto size = input_.ConsumeIntegralInRange<std::uint64_t>(1, 8);
    if (input_.ConsumeBool()) {
      const auto to = PioAddress(input_.ConsumeBool() ? input_.ConsumeIntegral<std::uint16_t>() : small_port());
      PioRange old = *PioRange::from_size(PioAddress(small_port()), size);
      if (node != model_.nodes.end() && !node->second.resources.pio().empty())
        old = node->second.resources.pio().back();
      arm();
      moved(machine_.devices.move_pio(id, old, to).has_value(),
            [&] { return model_.move<PioResource>(id, old, to, *fake::model_config().pio); });
    } else {
      const auto to = MmioAddress(input_.ConsumeBool() ? input_.ConsumeIntegral<std::uint64_t>() : small_mmio());
      MmioRange old = *MmioRange::from_size(MmioAddress(small_mmio()), size);
      if (node != model_.nodes.end() && !node->second.resources.mmio().empty())
        old = node->second.resources.mmio().back();
      arm();
      moved(machine_.devices.move_mmio(id, old, to).has_value(),
            [&] { return model_.move<MmioResource>(id, old, to, *fake::model_config().mmio_low); });
    }
  }

  template <typename F>
  void moved(bool did, F model_move) {
    if (!did) return refused(!faulted() && model_move());
    check(model_move(), "a move that must fail fails");
  }

  void resolve() {
    const PioAddress port(small_port());
    const MmioAddress address(small_mmio());
    const auto at_port = machine_.devices.resolve(port);
    const auto at_address = machine_.devices.resolve(address);
    check((at_port ? std::optional(at_port->id) : std::nullopt) == model_.resolve(port), "a port's holder");
    check((at_address ? std::optional(at_address->id) : std::nullopt) == model_.resolve(address),
          "an address's holder");
  }

  void refused(bool should_succeed) {
    check(!should_succeed, "what can succeed does");
    check(machine_.text() == before_, "a failure changes nothing");
  }

  // The handler has returned: what was deferred ends.
  void settle() {
    check(leaving_.wait() == Completion::Wait::kDone, "outside of handlers a detach can be waited for");
    leaving_ = Detachment();
  }

  void compare() {
    const SystemSnapshot spaces = machine_.devices.spaces();
    check(spaces.holdings == model_.holdings(), "every device holds what the model says");
    std::vector<Allocation<PioAddress>> ports;
    std::vector<PioRange> trapped;
    for (const auto& [id, node] : model_.nodes) {
      for (const PioRange range : node.resources.pio()) {
        ports.push_back({range, node.path});
        if (node.role != DeviceRole::kReservation) trapped.push_back(range);
      }
    }
    std::ranges::sort(ports, {}, &Allocation<PioAddress>::range);
    std::ranges::sort(trapped);
    check(spaces.pio->allocations == ports, "the allocator knows these ports and no others");
    std::vector<Allocation<GuestAddress>> memory;
    for (const auto& [id, node] : model_.nodes)
      for (const GuestRange range : node.resources.guest_memory()) memory.push_back({range, node.path});
    std::ranges::sort(memory, {}, &Allocation<GuestAddress>::range);
    check(spaces.guest_memory->allocations == memory, "the allocator knows this guest memory and no other");
    const std::vector<PioEntry> entries = machine_.io.pio_entries();
    check(std::ranges::equal(entries, trapped, {}, &PioEntry::range), "the bus knows these ports and no others");
    compare_tree();
  }

  void compare_tree() {
    const PlatformView view = machine_.devices.view();
    check(view.devices.size() == model_.nodes.size(), "the tree has these devices and no others");
    for (const DeviceView& device : view.devices) {
      const auto& node = model_.nodes.at(device.id);
      check(device.path == node.path && device.parent == node.parent && device.role == node.role &&
                device.resources == node.resources,
            "a device is where the model has it");
      check(machine_.devices.find(device.path).value() == device.id, "a path leads to its device");
    }
  }

  void arm() {
    const bool fails = input_.ConsumeIntegralInRange(0, 3) == 0;
    armed_ = fails ? input_.ConsumeIntegralInRange<std::size_t>(0, 24) : test::FailAtStep::kNever;
    faults_.arm(armed_);
  }
  [[nodiscard]] bool faulted() const { return faults_.steps().size() > armed_; }

  AttachRequest request() {
    AttachRequest request{.name = input_.PickValueInArray<std::string>({"a", "b", "c", "d", "", "a/b"})};
    if (input_.ConsumeBool()) request.parent = any_id();
    if (input_.ConsumeIntegralInRange(0, 7) == 0) request.id = any_id();
    request.constraints.emplace();
    const int count = input_.ConsumeIntegralInRange(0, 4);
    for (int i = 0; i < count; ++i) request.constraints->push_back(constraint());
    return request;
  }

  ResourceConstraint constraint() {
    const auto match = input_.ConsumeBool() ? Match::kFirst : Match::kLast;
    const auto alignment = std::uint64_t{1} << input_.ConsumeIntegralInRange(0, 3);
    const auto size = input_.ConsumeIntegralInRange<std::uint64_t>(1, 12);
    switch (input_.ConsumeIntegralInRange(0, 8)) {
      case 0: return PioConstraint{.size = size, .alignment = alignment, .within = within(ports()), .match = match};
      case 1: return PioConstraint::exactly(*PioRange::from_size(PioAddress(small_port()), size));
      case 2: return MmioConstraint{.size = size, .alignment = alignment, .within = within(windows()), .match = match};
      case 3:
        return MmioConstraint{.size = kMemorySize,
                              .alignment = alignment,
                              .within = within(windows()),
                              .backing = MmioBacking::kMemory,
                              .match = match};
      case 4: return LegacyIrqConstraint{.gsi = input_.ConsumeBool() ? std::optional(Gsi(small_irq())) : std::nullopt};
      case 5: return LegacyIrqConstraint{.within = within(ids(small_irq()))};
      case 6:
        return GuestMemoryConstraint{.size = size, .alignment = alignment, .within = within(memory()), .match = match};
      case 7:
        return MsiConstraint{.kind = input_.PickValueInArray({MsiKind::kPciMsi, MsiKind::kPciMsix, MsiKind::kGeneric}),
                             .count = input_.ConsumeIntegralInRange<std::uint32_t>(1, 7)};
      default: return MemorySlotConstraint{};
    }
  }

  // Bounds, or none.
  template <typename R>
  std::optional<R> within(R bounds) {
    return input_.ConsumeBool() ? std::optional(bounds) : std::nullopt;
  }
  // Ranges in and around the managed spaces.
  PioRange ports() { return *PioRange::from_size(PioAddress(small_port()), extent()); }
  MmioRange windows() { return *MmioRange::from_size(MmioAddress(small_mmio()), extent()); }
  GuestRange memory() { return *GuestRange::from_size(GuestAddress(small_memory()), extent()); }
  IdRange<Gsi> ids(std::uint32_t first) {
    return *IdRange<Gsi>::from_count(Gsi(first), input_.ConsumeIntegralInRange<std::uint32_t>(1, 4));
  }
  std::uint64_t extent() { return input_.ConsumeIntegralInRange<std::uint64_t>(1, 40); }

  InstanceId any_id() { return InstanceId(input_.ConsumeIntegralInRange<std::uint32_t>(0, 9)); }
  std::uint32_t small_irq() { return input_.ConsumeIntegralInRange<std::uint32_t>(3, 8); }
  std::uint16_t small_port() { return input_.ConsumeIntegralInRange<std::uint16_t>(0, 66); }
  std::uint64_t small_mmio() { return kMmioBase + input_.ConsumeIntegralInRange<std::uint64_t>(0, 34); }

  std::uint64_t small_memory() { return kMemoryBase + input_.ConsumeIntegralInRange<std::uint64_t>(0, 34); }

  FuzzedDataProvider input_;
  test::FailAtStep faults_;
  std::size_t armed_ = test::FailAtStep::kNever;
  fake::Machine machine_{&faults_, fake::model_config()};
  fake::ModelMachine model_;
  std::string before_;
  Detachment leaving_;
};

}  // namespace
}  // namespace keel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  keel::Session(data, size).run();
  return 0;
}
