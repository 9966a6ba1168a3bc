// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/loop_timer.h"

#include <memory>

#include <gtest/gtest.h>

#include "keel/base/epoll_loop.h"

namespace keel {
namespace {

using namespace std::chrono_literals;

class LoopTimerTest : public testing::Test {
 protected:
  const std::unique_ptr<EpollLoop> loop_ = EpollLoop::create().value();
  int rings_ = 0;
  LoopTimer timer_ = LoopTimer::create(*loop_, [this] { ++rings_; }).value();
};

TEST_F(LoopTimerTest, RingsOncePerArming) {
  timer_.arm(1ns);
  EXPECT_EQ(loop_->serve(10s).value(), 1u);
  EXPECT_EQ(rings_, 1);
  EXPECT_EQ(loop_->serve(0ms).value(), 0u);
  timer_.arm(1ms);
  EXPECT_EQ(loop_->serve(10s).value(), 1u);
  EXPECT_EQ(rings_, 2);
}

TEST_F(LoopTimerTest, DoesNotRingUnarmedOrDisarmed) {
  EXPECT_EQ(loop_->serve(0ms).value(), 0u);
  timer_.arm(1h);
  timer_.arm(1ns);  // the later word counts
  EXPECT_EQ(loop_->serve(10s).value(), 1u);
  timer_.arm(1ns);
  timer_.disarm();
  EXPECT_EQ(loop_->serve(0ms).value(), 0u);
  EXPECT_EQ(rings_, 1);
}

TEST_F(LoopTimerTest, MayBeArmedByItsOwnCallback) {
  LoopTimer* again = nullptr;
  int rings = 0;
  LoopTimer timer = LoopTimer::create(*loop_, [&] {
                      if (++rings < 3) again->arm(1ns);
                    }).value();
  again = &timer;
  timer.arm(1ns);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(loop_->serve(10s).value(), 1u);
  EXPECT_EQ(rings, 3);
}

TEST_F(LoopTimerTest, DroppedItIsSilent) {
  {
    LoopTimer timer = LoopTimer::create(*loop_, [this] { ++rings_; }).value();
    timer.arm(1ns);
  }
  EXPECT_EQ(loop_->serve(0ms).value(), 0u);
  EXPECT_EQ(rings_, 0);
}

}  // namespace
}  // namespace keel
