// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/line_socket.h"

#include <gtest/gtest.h>

#include "support/fake_interrupt.h"

namespace keel {
namespace {

using testing::FakeLevelInterrupt;

TEST(LineSocket, PassesTheLevelOn) {
  LineSocket socket;
  FakeLevelInterrupt wire;
  ASSERT_TRUE(socket.plug(wire));
  EXPECT_TRUE(socket.raise());
  EXPECT_TRUE(wire.is_high());
  EXPECT_TRUE(socket.lower());
  EXPECT_FALSE(wire.is_high());
}

TEST(LineSocket, KeepsTheLevelWhileNoWireIsThere) {
  LineSocket socket;
  EXPECT_TRUE(socket.raise());
  FakeLevelInterrupt wire;
  ASSERT_TRUE(socket.plug(wire));
  EXPECT_TRUE(wire.is_high());

  socket.unplug();
  EXPECT_FALSE(wire.is_high());  // left as a wire nobody drives
  EXPECT_TRUE(socket.lower());
  FakeLevelInterrupt next;
  ASSERT_TRUE(socket.plug(next));
  EXPECT_EQ(next.calls(), 0);
}

TEST(LineSocket, SaysWhatTheWireSays) {
  LineSocket socket;
  FakeLevelInterrupt wire;
  ASSERT_TRUE(socket.plug(wire));
  wire.refuse();
  EXPECT_FALSE(socket.raise());
  socket.unplug();
  FakeLevelInterrupt next;
  ASSERT_TRUE(socket.plug(next));
  EXPECT_FALSE(next.is_high());  // what failed did not happen
}

TEST(LineSocket, StaysUnpluggedWhereTheWireRefusesItsLevel) {
  LineSocket socket;
  EXPECT_TRUE(socket.raise());
  FakeLevelInterrupt wire;
  wire.refuse();
  EXPECT_FALSE(socket.plug(wire));
  wire.accept();
  EXPECT_TRUE(socket.lower());
  EXPECT_EQ(wire.calls(), 0);
}

}  // namespace
}  // namespace keel
