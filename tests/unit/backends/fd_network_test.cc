// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/backends/fd_network.h"

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "keel/base/epoll_loop.h"
#include "keel/base/try.h"

namespace keel {
namespace {

// A loop that has no room when the test says so.
class FullLoop final : public EventLoop {
 public:
  void refuse(int times) { refusals_ = times; }
  [[nodiscard]] int refusals() const noexcept { return refusals_; }
  void serve(std::chrono::milliseconds timeout) { EXPECT_TRUE(loop_->serve(timeout).has_value()); }

 protected:
  Result<Registration> add(int fd, Readiness readiness, std::function<void()> callback) override {
    if (refusals_ > 0) {
      --refusals_;
      return fail(ErrorCode::kExhausted, "no room");
    }
    KEEL_TRY(watches_[++last_], loop_->watch(fd, readiness, std::move(callback)));
    return Registration{last_};
  }
  void remove(Registration registration) noexcept override { watches_.erase(static_cast<std::uint64_t>(registration)); }

 private:
  std::unique_ptr<EpollLoop> loop_ = EpollLoop::create().value();
  std::map<std::uint64_t, Watch> watches_;
  std::uint64_t last_ = 0;
  int refusals_ = 0;
};

class FdNetworkTest : public ::testing::Test, protected NetListener {
 protected:
  FdNetworkTest() {
    std::array<int, 2> ends = {};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    peer_ = UniqueFd(ends[1]);
    std::vector<UniqueFd> ports;
    ports.emplace_back(ends[0]);
    network_ = std::make_unique<FdNetwork>(std::move(ports), NetProperties{});
    EXPECT_TRUE(network_->start(loop_, 0, *this).has_value());
  }
  void receivable(std::uint16_t /*pair*/) override { ++told_; }
  void sendable(std::uint16_t /*pair*/) override {}
  void link_changed(Link /*link*/) override {}

  void arrive() {
    const std::array<std::byte, sizeof(virtio_net::Header) + 60> frame = {};
    EXPECT_EQ(::send(peer_.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  }
  std::size_t receive() {
    std::vector<std::uint8_t> frame(virtio_net::kLargestFrame);
    virtio_net::Header header;
    return network_->receive(0, header, frame);
  }

  FullLoop loop_;
  UniqueFd peer_;
  std::unique_ptr<FdNetwork> network_;
  int told_ = 0;
};

TEST_F(FdNetworkTest, FramesAreSaidOnce) {
  arrive();
  for (int turn = 0; turn < 3; ++turn) loop_.serve(std::chrono::milliseconds(0));
  EXPECT_EQ(told_, 1);
  EXPECT_EQ(receive(), 60u);
  EXPECT_EQ(receive(), 0u);
  arrive();
  loop_.serve(std::chrono::milliseconds(0));
  EXPECT_EQ(told_, 2);
}

TEST_F(FdNetworkTest, ALoopWithoutRoomIsAskedAgain) {
  arrive();
  // The second time nobody wants to know, and the network takes itself out of the loop.
  for (int turn = 0; turn < 2; ++turn) loop_.serve(std::chrono::milliseconds(0));
  loop_.refuse(2);
  EXPECT_EQ(receive(), 60u);
  EXPECT_EQ(receive(), 0u);
  EXPECT_EQ(loop_.refusals(), 1);
  arrive();
  for (int turn = 0; turn < 100 && told_ < 2; ++turn) loop_.serve(std::chrono::milliseconds(100));
  EXPECT_EQ(loop_.refusals(), 0);
  EXPECT_EQ(told_, 2);
  EXPECT_EQ(receive(), 60u);
}

TEST_F(FdNetworkTest, OnceStoppedItAsksForNothing) {
  arrive();
  for (int turn = 0; turn < 2; ++turn) loop_.serve(std::chrono::milliseconds(0));
  loop_.refuse(1);
  EXPECT_EQ(receive(), 60u);
  EXPECT_EQ(receive(), 0u);
  network_->stop();
  arrive();
  for (int turn = 0; turn < 3; ++turn) loop_.serve(std::chrono::milliseconds(100));
  EXPECT_EQ(told_, 1);
}

}  // namespace
}  // namespace keel
