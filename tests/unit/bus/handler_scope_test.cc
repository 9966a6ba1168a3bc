// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/handler_scope.h"

#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "fake/bus.h"
#include "keel/bus/io_manager.h"

namespace keel {
namespace {

TEST(HandlerScope, Nests) {
  EXPECT_FALSE(in_io_handler());
  {
    const HandlerScope outer;
    {
      const HandlerScope inner;
      EXPECT_TRUE(in_io_handler());
    }
    EXPECT_TRUE(in_io_handler());
  }
  EXPECT_FALSE(in_io_handler());
}

TEST(HandlerScope, IsTheThreadsOwn) {
  const HandlerScope scope;
  std::jthread([] { EXPECT_FALSE(in_io_handler()); });
}

TEST(HandlerScope, EveryAccessIsOneAtAnyDepth) {
  IoManager bus;
  int deepest = 0;
  std::shared_ptr<fake::HandlerDevice> device;
  device = std::make_shared<fake::HandlerDevice>([&] {
    EXPECT_TRUE(in_io_handler());
    if (++deepest < 3) (void)fake::guest_out<std::uint8_t>(bus, 0x10, 0);
    EXPECT_TRUE(in_io_handler()) << "still inside the outer one";
  });
  ASSERT_TRUE(bus.register_pio(PioRange::constant(0x10, 0x10), device, "").has_value());
  (void)fake::guest_out<std::uint8_t>(bus, 0x10, 0);
  EXPECT_EQ(deepest, 3);
  EXPECT_FALSE(in_io_handler());
}

}  // namespace
}  // namespace keel
