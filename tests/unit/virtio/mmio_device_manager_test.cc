// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/virtio/mmio_device_manager.h"

#include <array>
#include <string>

#include <gmock/gmock.h>

#include "fake/machine.h"
#include "support/fake_virtio_device.h"
#include "keel/base/epoll_loop.h"
#include "keel/virtio/virtio_mmio.h"
#include "keel/virtio/virtio_mmio_spec.h"

namespace keel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr MmioRange kWindows = MmioRange::constant(0xd000'0000, 0xd000'ffff);
constexpr IdRange<Gsi> kIrqs = IdRange<Gsi>::constant(5, 7);

template <typename T>
std::string message(const Result<T>& result) {
  return result ? "none" : result.error().message();
}

class MmioDeviceManagerTest : public ::testing::Test {
 protected:
  std::shared_ptr<VirtioMmio> device() {
    return VirtioMmio::create(std::make_shared<FakeVirtioDevice>(), memory_, *loop_).value();
  }
  // A device of another type.
  static std::shared_ptr<fake::MachineDevice> other(std::string type) {
    auto made = fake::device();
    made->its_type = std::move(type);
    return made;
  }

  const std::vector<GuestRange> ram_ = {GuestRange::constant(0, 0xffff)};
  const GuestMemory memory_ = GuestMemory::create(ram_).value();
  const std::unique_ptr<EpollLoop> loop_ = EpollLoop::create().value();
  fake::Machine machine_;
  MmioDeviceManager manager_ =
      MmioDeviceManager::create(machine_.devices, {.windows = kWindows, .irqs = kIrqs}).value();
};

TEST_F(MmioDeviceManagerTest, EachDeviceGetsAWindowAndAnIrq) {
  const auto first = manager_.add("a", device());
  ASSERT_TRUE(first.has_value()) << message(first);
  EXPECT_EQ(first->window, MmioRange::constant(0xd000'0000, 0xd000'0fff));
  EXPECT_EQ(first->irq, Gsi(5));
  const auto second = manager_.add("b", device());
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->window, MmioRange::constant(0xd000'1000, 0xd000'1fff));
  EXPECT_EQ(second->irq, Gsi(6));
  EXPECT_THAT(manager_.infos(), ElementsAre(*first, *second));
}

TEST_F(MmioDeviceManagerTest, GuestReachesTheDeviceAtItsWindow) {
  const auto info = manager_.add("a", device()).value();
  std::array<std::uint8_t, 4> magic{};
  EXPECT_TRUE(machine_.devices.serve_read(info.window.first(), magic).has_value());
  EXPECT_THAT(magic, ElementsAre('v', 'i', 'r', 't'));
}

TEST_F(MmioDeviceManagerTest, TheFirstWindowIsLeftFree) {
  fake::Machine machine;
  auto manager = MmioDeviceManager::create(
                     machine.devices, {.windows = kWindows, .irqs = kIrqs, .first_window = FirstWindow::kLeaveFree})
                     .value();
  EXPECT_EQ(manager.add("a", device())->window.first(), MmioAddress(0xd000'1000));
}

TEST_F(MmioDeviceManagerTest, TheFirstWindowIsNotTheOnlyOne) {
  fake::Machine machine;
  EXPECT_EQ(
      message(MmioDeviceManager::create(machine.devices, {.windows = MmioRange::constant(0xd000'0000, 0xd000'0fff),
                                                          .irqs = kIrqs,
                                                          .first_window = FirstWindow::kLeaveFree})),
      "mmio [0xd0000000, 0xd0000fff] has no window of 0x1000 besides the first, which is to be left free");
}

TEST_F(MmioDeviceManagerTest, TheSameTypeAndIdTwiceIsRefused) {
  ASSERT_TRUE(manager_.add("a", device()).has_value());
  const std::string before = machine_.text();
  EXPECT_EQ(message(manager_.add("a", device())),
            "virtio-fake \"a\" cannot be added: there is virtio-fake \"a\" at [0xd0000000, 0xd0000fff] with irq 5 "
            "already; choose another id");
  EXPECT_EQ(machine_.text(), before);
  EXPECT_TRUE(manager_.add("a", other("serial")).has_value()) << "the id of another type";
}

TEST_F(MmioDeviceManagerTest, IdsThatCannotBe) {
  EXPECT_EQ(message(manager_.add("", device())), "virtio-fake \"\": an id is not empty and has no '/' and no ':'");
  EXPECT_EQ(message(manager_.add("a/b", device())),
            "virtio-fake \"a/b\": an id is not empty and has no '/' and no ':'");
  EXPECT_EQ(message(manager_.add("a:b", device())),
            "virtio-fake \"a:b\": an id is not empty and has no '/' and no ':'");
  EXPECT_EQ(message(manager_.add("a", nullptr)), "\"a\": no device was given to add");
}

TEST_F(MmioDeviceManagerTest, WithoutAnIrqLeftTheErrorSaysWhoHoldsThem) {
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(manager_.add(id, device()).has_value());
  const std::string before = machine_.text();
  const auto refused = manager_.add("d", device());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kExhausted);
  EXPECT_EQ(
      refused.error().message(),
      "\"virtio-mmio/virtio-fake:d\": IRQ, resource 1 (any irq in [5, 7]) failed: no irq is left: all 3 of [5, 7] "
      "are taken; free one or widen the range; held by: 5 \"virtio-mmio/virtio-fake:a\", 6 "
      "\"virtio-mmio/virtio-fake:b\", 7 \"virtio-mmio/virtio-fake:c\"");
  EXPECT_EQ(machine_.text(), before);
}

TEST_F(MmioDeviceManagerTest, WithoutAWindowLeftTheErrorSaysSo) {
  fake::Machine machine;
  auto manager = MmioDeviceManager::create(machine.devices,
                                           {.windows = MmioRange::constant(0xd000'0000, 0xd000'0fff), .irqs = kIrqs})
                     .value();
  ASSERT_TRUE(manager.add("a", device()).has_value());
  const auto refused = manager.add("b", device());
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), HasSubstr("virtio-mmio/virtio-fake:a"));
}

TEST_F(MmioDeviceManagerTest, RemovalGivesWindowAndIrqBack) {
  ASSERT_TRUE(manager_.add("a", device()).has_value());
  const auto kept = manager_.add("b", device()).value();
  const auto gone = manager_.remove("virtio-fake", "a");
  ASSERT_TRUE(gone.has_value()) << message(gone);
  EXPECT_TRUE(gone->done());
  EXPECT_THAT(manager_.infos(), ElementsAre(kept));
  EXPECT_EQ(message(manager_.remove("virtio-fake", "a")),
            "no virtio-fake \"a\" is on \"virtio-mmio\", which has virtio-fake \"b\"");
  const auto again = manager_.add("a", device()).value();
  EXPECT_EQ(again.window.first(), MmioAddress(0xd000'0000));
  EXPECT_EQ(again.irq, Gsi(5));
}

TEST_F(MmioDeviceManagerTest, LooksUpByTypeAndId) {
  EXPECT_EQ(message(manager_.device("virtio-fake", "a")),
            "no virtio-fake \"a\" is on \"virtio-mmio\", which has no device");
  const auto added = device();
  const auto info = manager_.add("a", added).value();
  EXPECT_EQ(manager_.device("virtio-fake", "a").value(), added);
  EXPECT_EQ(manager_.info("virtio-fake", "a").value(), info);
  EXPECT_FALSE(manager_.device("virtio-rng", "a").has_value());
}

TEST_F(MmioDeviceManagerTest, IsAViewOfTheDeviceManager) {
  const auto info = manager_.add("a", device()).value();
  EXPECT_EQ(machine_.devices.find("virtio-mmio/virtio-fake:a").value(), info.instance);
  ASSERT_TRUE(machine_.devices.detach(info.instance).has_value());
  EXPECT_TRUE(manager_.infos().empty());
}

TEST_F(MmioDeviceManagerTest, TellsAKernelByCommandLine) {
  KernelCmdline cmdline(100);
  ASSERT_TRUE(insert_virtio_mmio(cmdline, manager_.add("a", device()).value()).has_value());
  EXPECT_EQ(cmdline.text(), "virtio_mmio.device=4K@0xd0000000:5");
}

}  // namespace
}  // namespace keel
