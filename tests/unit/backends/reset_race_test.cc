// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "support/reset_race.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/run_program.h"
#include "keel/backends/disk_file.h"
#include "keel/devices/virtio_block.h"

namespace keel {
namespace {

using Engine = DiskFileOptions::Engine;

// Two queues on a file that each life opens anew: one that is not closed is still locked.
class DiskResetRaceTest : public ::testing::TestWithParam<Engine> {
 protected:
  testing::RacingDevice disk() const {
    return {.name = "disk",
            .features = virtio_block::kFeatureFlush | virtio_block::kFeatureMultiQueue,
            .queues = 2,
            .make =
                [this](EventLoop& loop) {
                  return VirtioBlock::create({.disk = open_disk(file_.path(), {.engine = GetParam()}).value(),
                                              .loop = loop,
                                              .id = "x",
                                              .queues = 2})
                      .value();
                },
            .ask = ask};
  }

 private:
  static void ask(DriverRequest& request, std::uint16_t /*queue*/, unsigned number) {
    const std::uint32_t type = number % 3 == 0 ? virtio_block::kTypeOut : virtio_block::kTypeIn;
    request.out_object(virtio_block::RequestHeader{.type = type, .reserved = 0, .sector = number % 100});
    if (type == virtio_block::kTypeIn)
      request.in(512).in(1);
    else
      request.out(std::vector<std::uint8_t>(512, 0x5a)).in(1);
  }

  const testing::TemporaryFile file_{std::string(1 << 20, 'x')};
};

TEST_P(DiskResetRaceTest, NothingOfAnOldLifeTouchesMemory) {
  testing::nothing_of_an_old_life_touches_memory(disk());
}

TEST_P(DiskResetRaceTest, RemovalTakesADeviceOutOfTraffic) {
  testing::removal_takes_a_device_out_of_traffic(disk());
}

INSTANTIATE_TEST_SUITE_P(Engines, DiskResetRaceTest, ::testing::Values(Engine::kUring, Engine::kThreads),
                         [](const auto& test) { return test.param == Engine::kUring ? "uring" : "threads"; });

}  // namespace
}  // namespace keel
