// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/removal.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "fake/bus.h"
#include "fake/threads.h"
#include "keel/bus/handler_scope.h"
#include "keel/bus/io_manager.h"

namespace keel {
namespace {

using fake::Gate;
using fake::guest_out;
using fake::HandlerDevice;
using Wait = Completion::Wait;

constexpr PioRange kPort = PioRange::constant(0x10, 0x10);

// Polls, as code does that must not wait. Ends by the watchdog where it never becomes true.
template <typename F>
void until(F&& condition) {
  while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST(Completion, OfNothingIsDone) {
  const Completion completion;
  EXPECT_TRUE(completion.done());
  EXPECT_EQ(completion.wait(), Wait::kDone);
}

// A device that is left in the middle of an access until the gate opens.
class Removal : public testing::Test {
 protected:
  void SetUp() override {
    auto device = std::make_shared<HandlerDevice>([this] {
      entered.open();
      leave.pass();
      ++finished;
    });
    alive = device;
    ASSERT_TRUE(bus.register_pio(kPort, std::move(device), "slow").has_value());
    vcpu = std::jthread([this] { EXPECT_EQ(guest_out<std::uint8_t>(bus, 0x10, 0), Dispatch::kClaimed); });
    entered.pass();
  }

  const fake::Watchdog watchdog{"a removal under an access"};
  Gate entered, leave;
  std::atomic<int> finished = 0;
  std::weak_ptr<HandlerDevice> alive;
  IoManager bus;
  std::jthread vcpu;
};

TEST_F(Removal, IsDoneOnceTheAccessThatIsInsideHasLeft) {
  std::optional<PioRemoval> removal = bus.deregister_pio(PioAddress(0x10)).value();
  EXPECT_EQ(guest_out<std::uint8_t>(bus, 0x10, 0), Dispatch::kUnclaimed) << "none enters any more";
  EXPECT_FALSE(removal->done());
  EXPECT_EQ(finished, 0);
  leave.open();
  EXPECT_EQ(removal->wait(), Wait::kDone);
  EXPECT_EQ(finished, 1);
  EXPECT_TRUE(removal->done());
  EXPECT_FALSE(alive.expired()) << "the removal holds the device";
  removal.reset();
  EXPECT_TRUE(alive.expired()) << "and nobody else does";
}

TEST_F(Removal, BecomesDoneByItselfWithoutAnybodyWaiting) {
  const auto removal = bus.deregister_pio(PioAddress(0x10)).value();
  EXPECT_FALSE(removal.done());
  leave.open();
  until([&] { return removal.done(); });
  EXPECT_EQ(finished, 1);
}

TEST_F(Removal, ThatNobodyKeepsStillLetsTheAccessFinishAndThenReleasesTheDevice) {
  ASSERT_TRUE(bus.deregister_pio(PioAddress(0x10)).has_value());
  EXPECT_FALSE(alive.expired());
  leave.open();
  until([&] { return alive.expired(); });
  EXPECT_EQ(finished, 1);
}

TEST_F(Removal, CanBeWaitedForBySeveralThreads) {
  const auto removal = bus.deregister_pio(PioAddress(0x10)).value();
  std::vector<std::jthread> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([completion = removal.completion(), this] {
      EXPECT_EQ(completion.wait(), Wait::kDone);
      EXPECT_EQ(finished, 1);
    });
  }
  leave.open();
}

TEST_F(Removal, DoesNotKeepOtherChangesWaiting) {
  const auto removal = bus.deregister_pio(PioAddress(0x10)).value();
  ASSERT_TRUE(bus.register_pio(kPort, std::make_shared<fake::RecordingDevice>(5), "successor").has_value());
  EXPECT_EQ(fake::guest_in<std::uint8_t>(bus, 0x10), 5) << "the address has a new owner while the old one finishes";
  EXPECT_FALSE(removal.done());
  leave.open();
}

TEST_F(Removal, OutlivesTheManager) {
  auto other = std::make_unique<IoManager>();
  ASSERT_TRUE(other->register_pio(kPort, std::make_shared<fake::RecordingDevice>(), "x").has_value());
  EXPECT_EQ(fake::guest_in<std::uint8_t>(*other, 0x10), 0);
  const auto removal = other->deregister_pio(PioAddress(0x10)).value();
  leave.open();
  other.reset();
  EXPECT_EQ(removal.wait(), Wait::kDone);
}

TEST(RemovalInHandler, IsDeferredAndDoneLater) {
  const fake::Watchdog watchdog("a wait from inside a handler");
  IoManager bus;
  std::optional<Completion> completion;
  const auto other = std::make_shared<fake::RecordingDevice>();
  ASSERT_TRUE(bus.register_mmio(MmioRange::constant(0, 0xfff), other, "other").has_value());
  const auto remover = std::make_shared<HandlerDevice>([&] {
    completion = bus.deregister_mmio(MmioAddress(0)).value().completion();
    EXPECT_EQ(completion->wait(), Wait::kDeferred);
  });
  ASSERT_TRUE(bus.register_pio(kPort, remover, "remover").has_value());
  (void)guest_out<std::uint8_t>(bus, 0x10, 0);
  EXPECT_EQ(completion->wait(), Wait::kDone);
  EXPECT_EQ(other.use_count(), 1);
}

// A device that manages the bus from its destructor.
struct Departing : fake::RecordingDevice {
  explicit Departing(IoManager& manager) : bus(manager) {}
  ~Departing() override {
    const auto removal = bus.deregister_pio(PioAddress(0x20));
    EXPECT_TRUE(removal.has_value());
    if (removal) {
      EXPECT_EQ(removal->wait() == Wait::kDeferred, in_io_handler());
    }
  }
  Departing(const Departing&) = delete;
  Departing& operator=(const Departing&) = delete;
  IoManager& bus;
};

TEST(RemovalInHandler, ADestructorMayManageTheBusWhoeverRunsIt) {
  const fake::Watchdog watchdog("management from a destructor");
  IoManager bus;
  const auto prepare = [&bus] {
    const auto companion = std::make_shared<fake::RecordingDevice>();
    ASSERT_TRUE(bus.register_pio(PioRange::constant(0x20, 0x2f), companion, "companion").has_value());
    ASSERT_TRUE(bus.register_pio(kPort, std::make_shared<Departing>(bus), "departing").has_value());
  };
  // The one who drops the removal, when no access is about.
  prepare();
  ASSERT_TRUE(bus.deregister_pio(PioAddress(0x10)).has_value());
  EXPECT_FALSE(bus.find_pio(PioAddress(0x20)).has_value());

  // The same, at rest after accesses.
  prepare();
  (void)guest_out<std::uint8_t>(bus, 0x10, 0);
  EXPECT_EQ(bus.deregister_pio(PioAddress(0x10)).value().wait(), Wait::kDone);
  EXPECT_FALSE(bus.find_pio(PioAddress(0x20)).has_value());

  // The manager, some time after the removal was dropped.
  prepare();
  const Completion completion = bus.deregister_pio(PioAddress(0x10)).value().completion();
  until([&] { return completion.done(); });
  EXPECT_FALSE(bus.find_pio(PioAddress(0x20)).has_value());
}

// A change that many handlers cannot let go of does not grow for ever: it is an error, and the error says why.
// A device that is refused is destroyed under no lock of the bus.
TEST(RemovalInHandler, ARefusedDevicesDestructorMayManageTheBus) {
  const fake::Watchdog watchdog{"a refused registration"};
  IoManager bus;
  struct Device : HandlerDevice {
    explicit Device(IoManager& manager) : HandlerDevice([] {}), bus(manager) {}
    ~Device() override {
      EXPECT_TRUE(in_io_handler());
      EXPECT_TRUE(bus.find_pio(PioAddress(0x10)).has_value());
    }
    IoManager& bus;
  };
  ASSERT_TRUE(bus.register_pio(kPort, std::make_shared<HandlerDevice>([] {}), "first").has_value());
  EXPECT_FALSE(bus.register_pio(kPort, std::make_shared<Device>(bus), "second").has_value());
  IoTransaction transaction = bus.begin();
  EXPECT_FALSE(transaction.register_pio(kPort, std::make_shared<Device>(bus), "third").has_value());
}

// A program that takes signals in its own way may block them after it began to use buses.
TEST(Reclaiming, LeavesTheProcessItsSignals) {
  IoManager bus;
  ASSERT_TRUE(bus.register_pio(kPort, std::make_shared<HandlerDevice>([] {}), "device").has_value());
  guest_out<std::uint8_t>(bus, 0x10, 0);
  ASSERT_TRUE(bus.deregister_pio(PioAddress(0x10)).has_value());
  int others = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    if (entry.path().filename() == std::to_string(::getpid())) continue;
    ++others;
    std::ifstream status(entry.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("SigBlk:")) continue;
      EXPECT_NE(std::stoull(line.substr(7), nullptr, 16) >> (SIGTERM - 1) & 1, 0u);
    }
  }
  EXPECT_GT(others, 0);
}

TEST(RemovalInHandler, TheBacklogIsBounded) {
  const fake::Watchdog watchdog("a guest that changes the bus from its handlers for ever");
  IoManager bus;
  constexpr std::uint64_t kMany = 2048;
  {
    IoTransaction change = bus.begin();
    const auto device = std::make_shared<fake::RecordingDevice>();
    for (std::uint64_t i = 0; i < kMany; ++i) {
      ASSERT_TRUE(change.register_mmio(*MmioRange::from_size(MmioAddress(i << 12), 16), device, "").has_value());
    }
    ASSERT_TRUE(change.commit().has_value());
  }
  std::optional<Error> refused;
  const auto mover = std::make_shared<HandlerDevice>([&] {
    for (int i = 0; i < 100'000 && !refused; ++i) {
      IoTransaction change = bus.begin();
      ASSERT_TRUE(
          change.move_mmio(MmioAddress(i % 2 == 0 ? 0 : 0x800), MmioAddress(i % 2 == 0 ? 0x800 : 0)).has_value());
      const auto committed = change.commit();
      if (!committed) refused = committed.error();
    }
  });
  ASSERT_TRUE(bus.register_pio(kPort, mover, "mover").has_value());
  (void)guest_out<std::uint8_t>(bus, 0x10, 0);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->code(), ErrorCode::kExhausted);
  EXPECT_NE(refused->message().find("wait for a handler to return"), std::string::npos);
  ASSERT_TRUE(bus.deregister_pio(PioAddress(0x10)).has_value()) << "outside, management waits and goes on";
}

}  // namespace
}  // namespace keel
