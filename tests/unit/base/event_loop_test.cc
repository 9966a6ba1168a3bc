// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/event_loop.h"

#include <atomic>
#include <latch>
#include <map>
#include <thread>

#include <gtest/gtest.h>

#include "keel/base/event_fd.h"
#include "keel/base/event_thread.h"

namespace keel {
namespace {

// A loop of an embedding VMM, by the two functions it has to bring: it calls what it was given when the test says so,
// also after it was told to remove it, as a loop may that has the event in its hands.
class EmbeddersLoop final : public EventLoop {
 public:
  void event_on(int fd) { handlers_.at(fd)(); }
  [[nodiscard]] std::size_t registered() const { return registered_; }

 protected:
  Result<Registration> add(int fd, Readiness, std::function<void()> callback) override {
    handlers_[fd] = std::move(callback);
    ++registered_;
    return Registration{static_cast<std::uint64_t>(fd)};
  }
  void remove(Registration) noexcept override { --registered_; }

 private:
  std::map<int, std::function<void()>> handlers_;
  std::size_t registered_ = 0;
};

TEST(Watch, NoCallbackBeginsAfterItIsDropped) {
  EmbeddersLoop loop;
  int calls = 0;
  {
    const Watch watch = loop.watch(7, Readiness::kReadable, [&] { ++calls; }).value();
    loop.event_on(7);
    EXPECT_EQ(loop.registered(), 1u);
  }
  loop.event_on(7);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(loop.registered(), 0u);
}

TEST(Watch, MayBeDroppedByItsOwnCallback) {
  EmbeddersLoop loop;
  Watch watch;
  int calls = 0;
  watch = loop.watch(7, Readiness::kReadable,
                     [&] {
                       ++calls;
                       watch.drop_and_wait();
                     })
              .value();
  loop.event_on(7);
  loop.event_on(7);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(loop.registered(), 0u);
}

TEST(EventLoop, KnowsWhenItIsCalling) {
  EmbeddersLoop outer;
  EmbeddersLoop inner;
  int calls = 0;
  const Watch in = inner
                       .watch(8, Readiness::kReadable,
                              [&] {
                                ++calls;
                                EXPECT_TRUE(inner.is_calling());
                                EXPECT_FALSE(outer.is_calling());
                              })
                       .value();
  const Watch out = outer
                        .watch(7, Readiness::kReadable,
                               [&] {
                                 EXPECT_TRUE(outer.is_calling());
                                 std::thread([&] { EXPECT_FALSE(outer.is_calling()); }).join();
                                 inner.event_on(8);
                                 EXPECT_TRUE(outer.is_calling());
                               })
                        .value();
  EXPECT_FALSE(outer.is_calling());
  outer.event_on(7);
  EXPECT_FALSE(outer.is_calling());
  EXPECT_EQ(calls, 1);
}

TEST(Watch, MovesWithItsRegistration) {
  EmbeddersLoop loop;
  Watch first = loop.watch(7, Readiness::kReadable, [] {}).value();
  Watch second = loop.watch(8, Readiness::kReadable, [] {}).value();
  second = std::move(first);
  EXPECT_EQ(loop.registered(), 1u);
  second = Watch();
  EXPECT_EQ(loop.registered(), 0u);
}

TEST(Watch, DropAndWaitReturnsWhenNoCallbackIsUnderWay) {
  EmbeddersLoop loop;
  std::latch inside(1);
  std::latch leave(1);
  std::atomic<bool> left = false;
  Watch watch = loop.watch(7, Readiness::kReadable,
                           [&] {
                             inside.count_down();
                             leave.wait();
                             left = true;
                           })
                    .value();
  std::thread thread([&] { loop.event_on(7); });
  inside.wait();
  std::thread releaser([&] { leave.count_down(); });
  watch.drop_and_wait();
  EXPECT_TRUE(left);
  releaser.join();
  thread.join();
}

TEST(Watch, DroppingDoesNotWaitForACallbackUnderWay) {
  EmbeddersLoop loop;
  std::latch inside(1);
  std::latch leave(1);
  Watch watch = loop.watch(7, Readiness::kReadable,
                           [&] {
                             inside.count_down();
                             leave.wait();
                           })
                    .value();
  std::thread thread([&] { loop.event_on(7); });
  inside.wait();
  watch = Watch();  // returns although the callback waits for what comes after it
  leave.count_down();
  thread.join();
}

}  // namespace
}  // namespace keel
