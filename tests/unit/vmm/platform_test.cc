// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/vmm/platform.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/vmm/pc_layout.h"
#include "support/fake_clock.h"
#include "support/fake_doorbell_host.h"
#include "support/fake_irq_calls.h"
#include "support/fake_power_control.h"
#include "support/run_program.h"
#include "support/tiny_kernel.h"
#include "keel/arch/x86_64/boot_params_spec.h"
#include "keel/arch/x86_64/memory_map.h"
#include "keel/virtio/virtio_mmio.h"

namespace keel {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A loop on which nothing ever happens, and which counts what is watched there.
class IdleLoop final : public EventLoop {
 public:
  [[nodiscard]] int watched() const { return watched_; }

 protected:
  Result<Registration> add(int /*fd*/, Readiness /*readiness*/, std::function<void()> /*callback*/) override {
    ++watched_;
    return Registration();
  }
  void remove(Registration /*registration*/) noexcept override { --watched_; }

 private:
  int watched_ = 0;
};

class NoOutput final : public SerialOutput {
 public:
  void write(std::span<const std::uint8_t> /*bytes*/) override {}
};

// A machine's platform with nothing behind it: no KVM, no thread, no disk and no network.
class PlatformTest : public ::testing::Test {
 protected:
  MachineConfig config() {
    MachineConfig config;
    config.kernel = kernel_.path();
    config.memory_size = 64 << 20;
    return config;
  }
  // Loads the image of that configuration, and makes its platform with so many device threads as the machine has.
  Platform& make(const MachineConfig& config) {
    platform_.reset();
    auto loaded = GuestImage::load(config);
    EXPECT_TRUE(loaded.has_value()) << loaded.error().message();
    image_ = std::make_unique<GuestImage>(std::move(*loaded));
    const GuestImage& image = *image_;
    std::vector<EventLoop*> loops;
    for (unsigned i = 0; i < device_thread_count(image.config); ++i) loops.push_back(&loops_.at(i));
    auto made = Platform::create({.interrupts = interrupts_,
                                  .doorbells = doorbells_,
                                  .loops = std::move(loops),
                                  .io = io_,
                                  .memory = image.memory,
                                  .power = power_,
                                  .console = output_,
                                  .serial_room = room_,
                                  .clock = clock_},
                                 image.config, MachineBackends::absent(image.config));
    EXPECT_TRUE(made.has_value()) << made.error().message();
    platform_ = std::move(*made);
    return *platform_;
  }
  // On which of the loops, by their numbers, the virtio devices have their doorbells served, by their names.
  std::map<std::string, long> loops_of(const MachineConfig& config) {
    std::map<std::string, long> numbers;
    DeviceManager& devices = make(config).devices();
    for (const DeviceView& view : devices.view().devices) {
      const auto transport = std::dynamic_pointer_cast<VirtioMmio>(devices.device(view.id).value());
      if (!transport) continue;
      const auto* const loop = static_cast<const IdleLoop*>(transport->doorbell_loop());
      numbers[view.name.substr(view.name.find(':') + 1)] = loop - loops_.data();
    }
    return numbers;
  }

  [[nodiscard]] const GuestImage& image() const { return *image_; }

  std::array<IdleLoop, 8> loops_;

 private:
  const testing::TemporaryFile kernel_{testing::tiny_kernel({0xf4})};
  testing::FakeClock clock_;
  testing::FakePowerControl power_;
  NoOutput output_;
  IoManager io_;
  testing::FakeDoorbellHost doorbells_{io_};
  IdleLoop resamples_;
  const kvm::Interrupts interrupts_{std::make_shared<testing::FakeIrqCalls>(kPcGsis), resamples_};
  EventFd room_ = EventFd::create().value();
  std::unique_ptr<GuestImage> image_;
  std::unique_ptr<Platform> platform_;
};

// What a kernel finds by the zero page.
std::string command_line_in(const GuestMemory& memory) {
  const auto at =
      memory.read_object<std::uint32_t>(GuestAddress(x86_64::kBootParams.value() + x86_64::boot_params::kCmdLinePtr))
          .value();
  const auto bytes = memory.slice(GuestAddress(at), x86_64::kCommandLine.size()).value();
  return {bytes.begin(), std::ranges::find(bytes, 0)};
}

std::string acpi_in(const GuestMemory& memory) {
  const auto bytes = memory.slice(x86_64::kAcpiTables.first(), x86_64::kAcpiTables.size()).value();
  return {bytes.begin(), bytes.end()};
}

TEST_F(PlatformTest, AcpiTellsOfVirtioDevicesUnlessToldOtherwise) {
  MachineConfig with_devices = config();
  with_devices.rng = true;
  ASSERT_TRUE(make(with_devices).describe(image()).has_value());
  EXPECT_THAT(acpi_in(image().memory), HasSubstr("LNRO0005"));
  EXPECT_EQ(command_line_in(image().memory), "panic=-1 reboot=k,panic_warm pci=off console=ttyS0");
}

TEST_F(PlatformTest, CommandLineTellsOfVirtioDevicesInsteadOfAcpi) {
  MachineConfig with_devices = config();
  with_devices.rng = true;
  with_devices.disks.resize(1);
  with_devices.virtio_discovery = VirtioDiscovery::kCommandLine;
  ASSERT_TRUE(make(with_devices).describe(image()).has_value());
  EXPECT_THAT(acpi_in(image().memory), Not(HasSubstr("LNRO0005")));
  EXPECT_EQ(command_line_in(image().memory),
            "panic=-1 reboot=k,panic_warm pci=off console=ttyS0 virtio_mmio.device=4K@0xc0000000:5 "
            "virtio_mmio.device=4K@0xc0001000:6");
}

// The tiny kernel takes 2047 characters: what no longer has room is said, and by the map too, which needs no KVM.
TEST_F(PlatformTest, CommandLineWithoutRoomForADeviceIsRefused) {
  MachineConfig with_devices = config();
  with_devices.rng = true;
  with_devices.disks.resize(1);
  with_devices.virtio_discovery = VirtioDiscovery::kCommandLine;
  const std::size_t entry = std::string_view(" virtio_mmio.device=4K@0xc0000000:5").size();
  const std::size_t most = 2047 - kLeadingCmdline.size() - 1 - 2 * entry;
  with_devices.cmdline = std::string(most, 'x');
  ASSERT_TRUE(make(with_devices).describe(image()).has_value());
  EXPECT_TRUE(map_machine(image()).has_value());
  EXPECT_THAT(command_line_in(image().memory), EndsWith("virtio_mmio.device=4K@0xc0001000:6"));

  with_devices.cmdline += 'x';
  const auto described = make(with_devices).describe(image());
  ASSERT_FALSE(described.has_value());
  EXPECT_EQ(described.error().code(), ErrorCode::kExhausted);
  EXPECT_EQ(described.error().message(),
            "the kernel cannot be told of virtio-block \"disk0\": \"virtio_mmio.device=4K@0xc0001000:6\" does not fit: "
            "2013 of 2047 bytes of the kernel command line are taken; use a shorter command line, fewer devices, or "
            "ACPI");
  const auto map = map_machine(image());
  ASSERT_FALSE(map.has_value());
  EXPECT_EQ(map.error().message(), described.error().message());
}

// Disks and networks go to the loops in turn; the others, which have little to do, to the first.
TEST_F(PlatformTest, DisksAndNetworksTakeTheDeviceThreadsInTurn) {
  MachineConfig busy = config();
  busy.rng = true;
  busy.console_output = 1;
  busy.disks.resize(3);
  busy.networks.resize(2);
  using Numbers = std::map<std::string, long>;
  EXPECT_EQ(
      loops_of(busy),
      (Numbers{{"rng0", 0}, {"console0", 0}, {"disk0", 0}, {"disk1", 1}, {"disk2", 2}, {"net0", 3}, {"net1", 4}}));
  EXPECT_EQ(loops_[5].watched(), 0);
}

TEST_F(PlatformTest, FewerDeviceThreadsAreSharedInTurn) {
  MachineConfig busy = config();
  busy.rng = true;
  busy.disks.resize(3);
  busy.networks.resize(2);
  busy.device_threads = 2;
  using Numbers = std::map<std::string, long>;
  EXPECT_EQ(loops_of(busy), (Numbers{{"rng0", 0}, {"disk0", 0}, {"disk1", 1}, {"disk2", 0}, {"net0", 1}, {"net1", 0}}));
  EXPECT_GT(loops_[1].watched(), 0);
  EXPECT_EQ(loops_[2].watched(), 0);
}

TEST_F(PlatformTest, OneDeviceThreadServesAll) {
  MachineConfig busy = config();
  busy.disks.resize(2);
  busy.networks.resize(1);
  busy.device_threads = 1;
  using Numbers = std::map<std::string, long>;
  EXPECT_EQ(loops_of(busy), (Numbers{{"disk0", 0}, {"disk1", 0}, {"net0", 0}}));
}

}  // namespace
}  // namespace keel
