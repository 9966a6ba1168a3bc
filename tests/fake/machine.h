// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "support/fake_interrupt.h"
#include "keel/base/check.h"
#include "keel/base/mutex.h"
#include "keel/base/try.h"
#include "keel/bus/io_manager.h"
#include "keel/device/device_manager.h"

// A machine without a hypervisor: its hooks remember what they did, and any of their steps can be made to fail.
namespace keel::fake {

// What hooks have done and not undone, as lines of text. For several threads.
class Book {
 public:
  void add(std::string line) {
    const Lock lock(mutex_);
    lines_.insert(std::move(line));
  }
  void remove(const std::string& line) {
    const Lock lock(mutex_);
    const auto found = lines_.find(line);
    check(found != lines_.end(), "something is undone that was not done");
    lines_.erase(found);
  }
  [[nodiscard]] std::string text() const {
    const Lock lock(mutex_);
    return fmt::format("{}\n", fmt::join(lines_, "\n"));
  }

 private:
  mutable Mutex mutex_;
  std::multiset<std::string> lines_ KEEL_GUARDED_BY(mutex_);
};

// A line of the book for as long as it lives.
class Entry {
 public:
  Entry(Book& book, std::string line) : book_(book), line_(std::move(line)) { book_.add(line_); }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;
  ~Entry() { book_.remove(line_); }

 private:
  Book& book_;
  const std::string line_;
};

struct Hooks : InterruptFactory, MemoryMapper, AttachStep {
  class Line final : public LevelInterrupt {
   public:
    Line(Book& book, Gsi gsi, std::string_view owner)
        : entry_(book, fmt::format("line of irq {} to \"{}\"", gsi, owner)) {}
    Result<void> raise() override { return wire.raise(); }
    Result<void> lower() override { return wire.lower(); }
    testing::FakeLevelInterrupt wire;

   private:
    Entry entry_;
  };
  struct Part final : AttachedPart {
    Part(Book& book, std::string line) : entry(book, std::move(line)) {}
    Entry entry;
  };

  explicit Hooks(FaultInjector* injector) : faults(injector) {}

  Result<std::unique_ptr<LevelInterrupt>> connect(Gsi gsi, std::string_view owner) override {
    KEEL_TRY_VOID(before("irqfd"));
    auto line = std::make_unique<Line>(book, gsi, owner);
    latest_line = line.get();
    return line;
  }
  Result<std::unique_ptr<AttachedPart>> map(const BackedMmioResource& where, std::span<std::byte>) override {
    KEEL_TRY_VOID(before("set memory region"));
    return std::make_unique<Part>(book, fmt::format("map {}", to_string(where)));
  }
  // A doorbell at every trapped range.
  [[nodiscard]] std::string_view name() const noexcept override { return "doorbell"; }
  Result<std::unique_ptr<AttachedPart>> take(const Resource& resource, Device&, const Resource*) override {
    if (!std::holds_alternative<MmioResource>(resource) && !std::holds_alternative<PioResource>(resource))
      return nullptr;
    KEEL_TRY_VOID(before("ioeventfd"));
    if (in_take) KEEL_TRY_VOID(in_take());
    return std::make_unique<Part>(book, fmt::format("doorbell at {}", to_string(resource)));
  }

  Result<void> before(std::string_view step) const { return faults == nullptr ? Result<void>() : faults->before(step); }

  FaultInjector* faults;
  Book book;
  std::function<Result<void>()> in_take;
  std::atomic<Line*> latest_line = nullptr;
};

// Answers on both buses with `value`, remembers what happens to it in order, does what the test says inside its
// handler. For several threads as long as the test's functions are.
class MachineDevice : public Device,
                      public DevicePio,
                      public DeviceMmio,
                      public std::enable_shared_from_this<MachineDevice> {
 public:
  explicit MachineDevice(ResourceConstraints asks = {}, DeviceRole its_role = DeviceRole::kDevice)
      : wants(std::move(asks)), its_role_(its_role) {}

  [[nodiscard]] std::string_view type() const noexcept override { return its_type; }
  [[nodiscard]] DeviceRole role() const noexcept override { return its_role_; }
  [[nodiscard]] ResourceConstraints constraints() const override {
    if (in_constraints) in_constraints();
    return wants;
  }
  Result<void> assign(const Assignment& assignment) override {
    if (in_assign) KEEL_TRY_VOID(in_assign(assignment));
    note(fmt::format("assigned {}", to_string(assignment.resources)));
    return {};
  }
  void released() noexcept override {
    if (in_released) in_released();
    note("released");
  }
  [[nodiscard]] std::shared_ptr<DevicePio> pio() override { return answers ? shared_from_this() : nullptr; }
  [[nodiscard]] std::shared_ptr<DeviceMmio> mmio() override { return answers ? shared_from_this() : nullptr; }
  [[nodiscard]] std::span<std::byte> memory(std::size_t) override { return host; }

  void pio_read(PioAddress, std::uint16_t, std::span<std::uint8_t> data) override { read(data); }
  void pio_write(PioAddress, std::uint16_t, std::span<const std::uint8_t>) override { write(); }
  void mmio_read(MmioAddress, std::uint64_t, std::span<std::uint8_t> data) override { read(data); }
  void mmio_write(MmioAddress, std::uint64_t, std::span<const std::uint8_t>) override { write(); }

  // "assigned ...", "read", "write", "released"
  [[nodiscard]] std::vector<std::string> story() const {
    const Lock lock(mutex_);
    return story_;
  }

  ResourceConstraints wants;
  std::string its_type = "test";
  std::uint8_t value = 0;
  bool answers = true;
  std::vector<std::byte> host;
  std::function<void()> in_constraints;
  std::function<Result<void>(const Assignment&)> in_assign;
  std::function<void()> in_released;
  std::function<void()> in_handler;

 private:
  void read(std::span<std::uint8_t> data) {
    write_or_read("read");
    std::ranges::fill(data, value);
  }
  void write() { write_or_read("write"); }
  void write_or_read(std::string what) {
    if (in_handler) in_handler();
    note(std::move(what));
  }
  void note(std::string what) {
    const Lock lock(mutex_);
    story_.push_back(std::move(what));
  }

  const DeviceRole its_role_;
  mutable Mutex mutex_;
  std::vector<std::string> story_ KEEL_GUARDED_BY(mutex_);
};

inline std::shared_ptr<MachineDevice> device(ResourceConstraints asks = {}) {
  return std::make_shared<MachineDevice>(std::move(asks));
}
inline std::shared_ptr<MachineDevice> bus(ResourceConstraints asks = {}) {
  auto made = std::make_shared<MachineDevice>(std::move(asks), DeviceRole::kBus);
  made->its_type = "test-bus";
  return made;
}

inline SystemConfig small_machine() {
  return {
      .pio = PioRange::all(),
      .mmio_low = MmioRange::constant(0xd000'0000, 0xd000'ffff),
      .mmio_high = MmioRange::constant(0x10'0000'0000, 0x10'ffff'ffff),
      .guest_memory = GuestRange::constant(0x20'0000'0000, 0x2f'ffff'ffff),
      .legacy_irqs = IdRange<Gsi>::constant(5, 7),
      .msi = IdRange<Gsi>::constant(24, 31),
      .memory_slots = IdRange<MemorySlot>::constant(0, 3),
  };
}

struct Machine {
  // `faults`, where given, is asked before every step that anything takes.
  explicit Machine(FaultInjector* faults = nullptr, const SystemConfig& config = small_machine())
      : hooks(faults),
        devices(SystemAllocator<Mutex>::create(config, faults).value(), io,
                {.interrupts = &hooks, .memory = &hooks, .steps = {&hooks}, .faults = faults}) {}

  // Everything that an attach changes: two machines are in the same state exactly when their texts are equal.
  [[nodiscard]] std::string text() const {
    std::string text = to_string(devices.spaces()) + "tree\n" + to_string(devices.view()) + "bus\n";
    for (const PioEntry& entry : io.pio_entries()) text += line("pio", entry);
    for (const MmioEntry& entry : io.mmio_entries()) text += line("mmio", entry);
    return text + "hooks\n" + hooks.book.text();
  }

  IoManager io;
  Hooks hooks;
  DeviceManager devices;

 private:
  template <typename A>
  static std::string line(std::string_view name, const BusEntry<A>& entry) {
    return fmt::format("  {} {} \"{}\" {}\n", name, entry.range(), entry.owner(),
                       static_cast<const void*>(entry.device().get()));
  }
};

// Attached for good.
inline InstanceId attach(Machine& machine, std::shared_ptr<Device> device, std::string name,
                         std::optional<InstanceId> parent = std::nullopt) {
  return machine.devices.attach(std::move(device), {.name = std::move(name), .parent = parent}).value().keep();
}

inline PioRange port_range(std::uint16_t first, std::uint16_t last) {
  return *PioRange::from_bounds(PioAddress(first), PioAddress(last));
}
inline PioConstraint ports(std::uint16_t first, std::uint16_t last) {
  return PioConstraint::exactly(port_range(first, last));
}
inline MmioConstraint mmio_at(std::uint64_t first, std::uint64_t size) {
  return MmioConstraint::exactly(*MmioRange::from_size(MmioAddress(first), size));
}
inline MmioConstraint memory_of(std::uint64_t size) {
  return {.size = size, .place = MmioPlace::kAbove4GiB, .backing = MmioBacking::kMemory};
}

}  // namespace keel::fake
