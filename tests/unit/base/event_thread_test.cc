// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/event_thread.h"

#include <latch>
#include <thread>

#include <gtest/gtest.h>

namespace keel {
namespace {

TEST(EventThread, ServesOnAThreadOfItsOwnAndEndsWhenDropped) {
  const EventFd event = EventFd::create().value();
  auto thread = EventThread::start("a name of more than fifteen characters").value();
  std::latch called(1);
  std::thread::id server;
  {
    const Watch watch = thread->loop()
                            .watch(event.fd(), Readiness::kReadable,
                                   [&] {
                                     EXPECT_TRUE(event.drain().has_value());
                                     server = std::this_thread::get_id();
                                     called.count_down();
                                   })
                            .value();
    ASSERT_TRUE(event.signal().has_value());
    called.wait();
  }
  thread.reset();
  EXPECT_NE(server, std::this_thread::get_id());
}

}  // namespace
}  // namespace keel
