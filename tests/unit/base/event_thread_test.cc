// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/event_thread.h"

#include <signal.h>

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

// A program that blocks signals to take them in its own way does so whenever it made its event threads.
TEST(EventThread, LeavesTheProcessItsSignals) {
  const EventFd event = EventFd::create().value();
  const auto thread = EventThread::start("test").value();
  std::latch called(1);
  sigset_t blocked;
  Watch watch = thread->loop()
                    .watch(event.fd(), Readiness::kReadable,
                           [&] {
                             EXPECT_TRUE(event.drain().has_value());
                             ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
                             called.count_down();
                           })
                    .value();
  ASSERT_TRUE(event.signal().has_value());
  called.wait();
  EXPECT_EQ(::sigismember(&blocked, SIGTERM), 1);
  EXPECT_EQ(::sigismember(&blocked, SIGUSR1), 1);
  EXPECT_EQ(::sigismember(&blocked, SIGSEGV), 0) << "a crash is told by whom it happens to";
  sigset_t own;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &own);
  EXPECT_EQ(::sigismember(&own, SIGTERM), 0);
  watch.drop_and_wait();
}

}  // namespace
}  // namespace keel
