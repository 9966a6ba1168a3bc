// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/epoll_loop.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace keel {
namespace {

using std::chrono::milliseconds;

TEST(EpollLoop, CallsBackUntilTheDescriptorIsServed) {
  const auto loop = EpollLoop::create().value();
  const EventFd event = EventFd::create().value();
  int calls = 0;
  const Watch watch = loop->watch(event.fd(), Readiness::kReadable,
                                  [&] {
                                    if (++calls == 2) {
                                      EXPECT_EQ(event.drain().value(), 1u);
                                    }
                                  })
                          .value();
  EXPECT_EQ(loop->serve(milliseconds(0)).value(), 0u);
  ASSERT_TRUE(event.signal().has_value());
  EXPECT_EQ(loop->serve(milliseconds(-1)).value(), 1u);
  EXPECT_EQ(loop->serve(milliseconds(-1)).value(), 1u);
  EXPECT_EQ(loop->serve(milliseconds(0)).value(), 0u);
  EXPECT_EQ(calls, 2);
}

TEST(EpollLoop, WatchesForRoomToWrite) {
  const auto loop = EpollLoop::create().value();
  const EventFd event = EventFd::create().value();  // an eventfd that is not full may be written
  int calls = 0;
  const Watch watch = loop->watch(event.fd(), Readiness::kWritable, [&] { ++calls; }).value();
  EXPECT_EQ(loop->serve(milliseconds(0)).value(), 1u);
  EXPECT_EQ(calls, 1);
}

TEST(EpollLoop, RefusesADescriptorTwiceAndOneThatIsNone) {
  const auto loop = EpollLoop::create().value();
  const EventFd event = EventFd::create().value();
  const Watch watch = loop->watch(event.fd(), Readiness::kReadable, [] {}).value();
  const auto twice = loop->watch(event.fd(), Readiness::kWritable, [] {});
  ASSERT_FALSE(twice.has_value());
  EXPECT_EQ(twice.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(twice.error().message(), fmt::format("descriptor {} is already watched by this loop", event.fd()));
  const auto none = loop->watch(-1, Readiness::kReadable, [] {});
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code(), ErrorCode::kIo);
}

TEST(EpollLoop, ACallbackMayDropAnotherWhoseEventIsDue) {
  const auto loop = EpollLoop::create().value();
  const EventFd events[] = {EventFd::create().value(), EventFd::create().value()};
  Watch watches[2];
  int calls = 0;
  for (int i = 0; i < 2; ++i) {
    watches[i] = loop->watch(events[i].fd(), Readiness::kReadable,
                             [&, i] {
                               ++calls;
                               watches[1 - i] = Watch();
                             })
                     .value();
    ASSERT_TRUE(events[i].signal().has_value());
  }
  EXPECT_EQ(loop->serve(milliseconds(0)).value(), 1u);
  EXPECT_EQ(calls, 1);
}

TEST(EpollLoop, StopEndsARunFromAnotherThreadAndFromACallback) {
  const auto loop = EpollLoop::create().value();
  loop->stop();
  EXPECT_TRUE(loop->run().has_value());  // stopped before it began
  std::thread thread([&] { EXPECT_TRUE(loop->run().has_value()); });
  loop->stop();
  thread.join();
  const EventFd event = EventFd::create().value();
  const Watch watch = loop->watch(event.fd(), Readiness::kReadable,
                                  [&] {
                                    EXPECT_EQ(event.drain().value(), 1u);
                                    loop->stop();
                                  })
                          .value();
  ASSERT_TRUE(event.signal().has_value());
  EXPECT_TRUE(loop->run().has_value());
}

TEST(EpollLoop, ManyThreadsWatchAndDropWhileItServes) {
  const auto loop = EpollLoop::create().value();
  std::thread server([&] { EXPECT_TRUE(loop->run().has_value()); });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const EventFd event = EventFd::create().value();
        int calls = 0;  // written by the loop's thread, read after drop_and_wait
        Watch watch = loop->watch(event.fd(), Readiness::kReadable,
                                  [&] {
                                    ++calls;
                                    EXPECT_TRUE(event.drain().has_value());
                                  })
                          .value();
        EXPECT_TRUE(event.signal().has_value());
        watch.drop_and_wait();
        EXPECT_LE(calls, 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  loop->stop();
  server.join();
}

}  // namespace
}  // namespace keel
