// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/doorbell.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake/bus.h"
#include "kvm/tiny_guest.h"
#include "support/open_descriptors.h"
#include "keel/base/epoll_loop.h"
#include "keel/base/event_fd.h"
#include "keel/base/event_thread.h"
#include "keel/bus/doorbell_server.h"
#include "keel/device/device_manager.h"
#include "keel/device/doorbell_step.h"
#include "keel/device/plain_device.h"
#include "keel/kvm/vm.h"

// Doorbells by ioeventfd: of devices attached by a DeviceManager, rung by a guest.
namespace keel::testing {
namespace {

using ::testing::ElementsAre;

constexpr auto kRegisters = MmioRange::constant(0xd'0000, 0xd'0fff);  // 0xd000:0 of real mode
constexpr auto kPorts = PioRange::constant(0x200, 0x21f);
constexpr MmioAddress kNotify{0xd'0050};
constexpr PioAddress kNotifyPort{0x210};
constexpr PioAddress kEnd{0x80};

// mov ax, 0xd000; mov ds, ax; then `body`; out kEnd, al; and all of it again.
std::vector<std::uint8_t> again_and_again(const std::vector<std::uint8_t>& body) {
  std::vector<std::uint8_t> code = {0xb8, 0x00, 0xd0, 0x8e, 0xd8};
  code.insert(code.end(), body.begin(), body.end());
  code.insert(code.end(), {0xe6, 0x80, 0xeb, static_cast<std::uint8_t>(-(static_cast<int>(code.size()) + 4))});
  return code;
}

// mov eax, value; mov [0x50], eax
std::vector<std::uint8_t> store(std::uint8_t value) {
  return {0x66, 0xb8, value, 0, 0, 0, 0x66, 0xa3, 0x50, 0x00};
}
// mov dx, kNotifyPort; mov ax, value; out dx, ax
std::vector<std::uint8_t> out(std::uint8_t value) {
  return {0xba, 0x10, 0x02, 0xb8, value, 0, 0xef};
}
std::vector<std::uint8_t> operator+(std::vector<std::uint8_t> code, const std::vector<std::uint8_t>& more) {
  code.insert(code.end(), more.begin(), more.end());
  return code;
}

class Registers final : public fake::RecordingDevice, public DoorbellSource {
 public:
  std::vector<PioDoorbell> pio_doorbells(PioRange /*range*/) const override { return pio; }
  std::vector<MmioDoorbell> mmio_doorbells(MmioRange /*range*/) const override { return mmio; }
  std::vector<PioDoorbell> pio;
  std::vector<MmioDoorbell> mmio;
};

// A guest and its device, "net0", with the doorbells that the test chooses before it attaches.
class Machine {
 public:
  explicit Machine(const std::vector<std::uint8_t>& body) : guest_(Irqchip::kNone, again_and_again(body)) {}

  Result<DeviceHandle> try_attach() {
    return devices_.attach(std::make_shared<PlainDevice>(PlainDevice::Parts{
                               .type = "registers",
                               .constraints = {PioConstraint::exactly(kPorts), MmioConstraint::exactly(kRegisters)},
                               .pio = device,
                               .mmio = device,
                           }),
                           {.name = "net0"});
  }
  DeviceHandle attach() { return need(try_attach()); }

  // Runs the guest to its end once; how many exits there were.
  int round() {
    for (int exits = 0;; ++exits) {
      const kvm::Exit exit = guest_.run();
      if (const auto* mmio = std::get_if<kvm::MmioExit>(&exit)) {
        io.mmio_write(mmio->address, mmio->data);
      } else if (const auto* pio = std::get_if<kvm::PioExit>(&exit)) {
        if (pio->port == kEnd) return exits;
        io.pio_write(pio->port, pio->data);
      } else {
        ADD_FAILURE() << "exit " << exit.index();
        return -1;
      }
    }
  }
  void serve_loop() { need(loop_->serve(std::chrono::milliseconds(0))); }
  std::vector<fake::Access> take_accesses() { return std::exchange(device->accesses, {}); }

  IoManager io;
  const std::shared_ptr<Registers> device = std::make_shared<Registers>();

 private:
  static SystemAllocator<Mutex> spaces() {
    return need(SystemAllocator<Mutex>::create({.pio = PioRange::all(), .mmio_low = kRegisters}));
  }
  TinyGuest guest_;
  std::unique_ptr<EpollLoop> loop_ = need(EpollLoop::create());
  std::unique_ptr<DoorbellHost> host_ = guest_.vm.doorbells();
  DoorbellServer server_{*host_, *loop_, io};
  DoorbellStep step_{server_};
  DeviceManager devices_{spaces(), io, {.steps = {&step_}}};
};

fake::Access stored(std::uint8_t value) {
  return {kRegisters.first().value(), 0x50, {value, 0, 0, 0}, 4};
}
fake::Access sent(std::uint8_t value) {
  return {kPorts.first().value(), 0x10, {value, 0}, 2};
}

TEST(KvmDoorbell, AMatchingWriteIsAnEventAndOthersExitToTheSameMethod) {
  Machine machine(store(1) + store(2) + out(1) + out(2));
  machine.device->mmio = {{.address = kNotify, .value = 1}};
  machine.device->pio = {{.address = kNotifyPort, .value = 1, .size = 2}};
  DeviceHandle handle = machine.attach();
  EXPECT_EQ(machine.round(), 2);
  EXPECT_THAT(machine.take_accesses(), ElementsAre(stored(2), sent(2)));
  machine.serve_loop();
  EXPECT_THAT(machine.take_accesses(), ::testing::UnorderedElementsAre(stored(1), sent(1)));

  need(handle.detach());
  EXPECT_EQ(machine.round(), 4) << "with its device a doorbell goes";
  handle = machine.attach();
  EXPECT_EQ(machine.round(), 2);
}

TEST(KvmDoorbell, EachQueueHasItsOwnAtOneAddress) {
  Machine machine(store(2) + store(0) + store(3));
  machine.device->mmio = {{.address = kNotify, .value = 0}, {.address = kNotify, .value = 2}};
  const DeviceHandle handle = machine.attach();
  EXPECT_EQ(machine.round(), 1);
  EXPECT_THAT(machine.take_accesses(), ElementsAre(stored(3)));
  machine.serve_loop();
  EXPECT_THAT(machine.take_accesses(), ::testing::UnorderedElementsAre(stored(0), stored(2)));
}

TEST(KvmDoorbell, AnyValueOfItsSizeRings) {
  // The last: mov [0x50], al
  Machine machine(store(7) + out(9) + std::vector<std::uint8_t>{0xa2, 0x50, 0x00});
  machine.device->mmio = {{.address = kNotify, .match = DoorbellMatch::kAnyValue}};
  machine.device->pio = {{.address = kNotifyPort, .size = 2, .match = DoorbellMatch::kAnyValue}};
  const DeviceHandle handle = machine.attach();
  EXPECT_EQ(machine.round(), 1) << "one byte is another size";
  EXPECT_EQ(machine.take_accesses().front().size, 1u);
  machine.serve_loop();
  EXPECT_THAT(machine.take_accesses(), ::testing::UnorderedElementsAre(stored(0), sent(0)));
}

TEST(KvmDoorbell, AnyWriteRings) {
  Machine machine(store(7) + std::vector<std::uint8_t>{0xa2, 0x50, 0x00} + out(9));
  machine.device->mmio = {{.address = kNotify, .match = DoorbellMatch::kAnyWrite}};
  machine.device->pio = {{.address = kNotifyPort, .size = 2, .match = DoorbellMatch::kAnyWrite}};
  const DeviceHandle handle = machine.attach();
  EXPECT_EQ(machine.round(), 0);
  machine.serve_loop();
  EXPECT_THAT(machine.take_accesses(), ::testing::UnorderedElementsAre(stored(0), sent(0)));
}

TEST(KvmDoorbell, TwoForTheSameWritesAreRefusedAndUndone) {
  Machine machine(store(1));
  machine.device->mmio = {{.address = kNotify, .value = 1}, {.address = kNotify, .value = 1}};
  const auto refused = machine.try_attach();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(refused.error().message(), ::testing::HasSubstr("mmio doorbell at 0xd0050 (4 bytes, value 0x1)"));
  machine.device->mmio.pop_back();
  const DeviceHandle handle = machine.attach();
  EXPECT_EQ(machine.round(), 0);
}

TEST(KvmDoorbell, ManyCyclesLeaveNoDescriptorAndNoEvent) {
  Machine machine(store(1));
  machine.device->mmio = {{.address = kNotify, .value = 1}};
  machine.attach();
  const std::size_t descriptors = open_descriptors();
  for (int cycle = 0; cycle < 100; ++cycle) machine.attach();  // and detach
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_EQ(machine.round(), 1);
}

// The guest rings as fast as it can, a thread serves, and the last ring is served after it was rung.
TEST(KvmDoorbell, NoRingIsLostUnderAStorm) {
  class Counting final : public DeviceMmio {
   public:
    void mmio_read(MmioAddress, std::uint64_t, std::span<std::uint8_t>) override {}
    void mmio_write(MmioAddress, std::uint64_t, std::span<const std::uint8_t>) override { seen = rung.load(); }
    std::atomic<int> rung = 0;  // rounds that the guest has begun
    std::atomic<int> seen = 0;  // the same, when last served
  };
  const auto device = std::make_shared<Counting>();
  TinyGuest guest(Irqchip::kNone, again_and_again(store(1)));
  IoManager io;
  need(io.register_mmio(kRegisters, device, "net0"));
  const auto thread = need(EventThread::start("doorbells"));
  const auto host = guest.vm.doorbells();
  const DoorbellServer server(*host, thread->loop(), io);
  const auto bell = need(server.serve(MmioDoorbell{.address = kNotify, .value = 1}, device));
  for (int round = 1; round <= 2'000; ++round) {
    device->rung = round;
    const kvm::Exit exit = guest.run();
    ASSERT_TRUE(std::holds_alternative<kvm::PioExit>(exit));
  }
  while (device->seen != 2'000) std::this_thread::yield();
}

}  // namespace
}  // namespace keel::testing
