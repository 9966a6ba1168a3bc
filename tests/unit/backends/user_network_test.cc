// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/backends/user_network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "keel/base/epoll_loop.h"
#include "keel/base/unique_fd.h"

namespace keel {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;
constexpr std::array<std::uint8_t, 6> kGuestMac = {0x52, 0x54, 0, 1, 2, 3};

// A guest on a user-mode network, as far as frames go.
class UserNetworkTest : public ::testing::Test, protected NetListener {
 protected:
  void start(UserNetworkOptions options = {}) {
    options.program = KEEL_SLIRP;
    auto made = start_user_network(options);
    ASSERT_TRUE(made.has_value()) << made.error().message();
    network_ = std::move(*made);
    ASSERT_TRUE(network_->start(*loop_, 0, *this).has_value());
  }
  ~UserNetworkTest() override {
    if (network_) network_->stop();
  }

  void receivable(std::uint16_t /*pair*/) override { readable_ = true; }
  void sendable(std::uint16_t /*pair*/) override {}
  void link_changed(Link link) override { link_ = link; }

  NetBackend::Sent send(Bytes frame) {
    const iovec piece = {.iov_base = frame.data(), .iov_len = frame.size()};
    return network_->send(0, {}, {&piece, 1});
  }
  // The next frame that `wanted` says yes to.
  template <typename Wanted>
  std::optional<Bytes> next(Wanted wanted) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < deadline) {
      Bytes frame(virtio_net::kLargestFrame);
      virtio_net::Header header;
      while (const std::size_t size = network_->receive(0, header, frame)) {
        const Bytes found(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
        if (wanted(found)) return found;
      }
      EXPECT_TRUE(loop_->serve(std::chrono::milliseconds(100)).has_value());
    }
    return std::nullopt;
  }
  static Bytes arp_request() {
    Bytes frame(6, 0xff);
    frame.insert(frame.end(), kGuestMac.begin(), kGuestMac.end());
    for (const int byte : {8, 6, 0, 1, 8, 0, 6, 4, 0, 1}) frame.push_back(static_cast<std::uint8_t>(byte));
    frame.insert(frame.end(), kGuestMac.begin(), kGuestMac.end());
    for (const int byte : {10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2})
      frame.push_back(static_cast<std::uint8_t>(byte));
    return frame;
  }
  static bool is_arp_reply(const Bytes& frame) {
    return frame.size() >= 42 && frame[12] == 8 && frame[13] == 6 && frame[21] == 2;
  }

  std::unique_ptr<EpollLoop> loop_ = EpollLoop::create().value();
  std::unique_ptr<NetBackend> network_;
  bool readable_ = false;
  Link link_ = Link::kUp;
};

std::vector<pid_t> children() {
  std::ifstream list("/proc/thread-self/children");
  return {std::istream_iterator<pid_t>(list), {}};
}

TEST_F(UserNetworkTest, TheGatewayAnswers) {
  start();
  Bytes nothing(virtio_net::kLargestFrame);
  virtio_net::Header header;
  EXPECT_EQ(network_->receive(0, header, nothing), 0u) << "and so the loop will say when there is something";
  EXPECT_EQ(send(arp_request()), NetBackend::Sent::kSent);
  for (int tries = 0; tries < 100 && !readable_; ++tries)
    EXPECT_TRUE(loop_->serve(std::chrono::milliseconds(100)).has_value());
  EXPECT_TRUE(readable_);
  const auto reply = next(is_arp_reply);
  ASSERT_TRUE(reply.has_value());
  EXPECT_TRUE(std::equal(kGuestMac.begin(), kGuestMac.end(), reply->begin())) << "to the guest";
}

TEST_F(UserNetworkTest, AForwardedPortReachesTheGuest) {
  // A port that was free a moment ago.
  const UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(probe.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const HostForward forward{.host_port = ::ntohs(address.sin_port), .guest_port = 80};
  {
    const auto taken = start_user_network({.forwards = {forward}, .program = KEEL_SLIRP});
    (void)::listen(probe.get(), 1);
    const auto refused = start_user_network({.forwards = {forward}, .program = KEEL_SLIRP});
    ASSERT_FALSE(refused.has_value());
    EXPECT_THAT(refused.error().message(), HasSubstr("forward " + to_string(forward)));
    EXPECT_THAT(refused.error().message(), HasSubstr("in use"));
  }
  const_cast<UniqueFd&>(probe).reset();
  start({.forwards = {forward}, .program = {}});
  send(arp_request());
  ASSERT_TRUE(next(is_arp_reply).has_value());
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  (void)::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), size);
  const auto syn = next([](const Bytes& frame) { return frame.size() >= 54 && frame[23] == 6; });
  ASSERT_TRUE(syn.has_value());
  EXPECT_EQ((*syn)[36] << 8 | (*syn)[37], 80) << "the guest's port";
}

// On this machine, and free a moment ago.
sockaddr_in free_port() {
  const UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(::bind(probe.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return address;
}

UniqueFd client_of(const sockaddr_in& address) {
  UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return client;
}

// The lowest descriptor that it could open next.
rlim_t descriptors_of(pid_t process) {
  const std::string folder = "/proc/" + std::to_string(process) + "/fd/";
  rlim_t next = 0;
  while (std::filesystem::is_symlink(folder + std::to_string(next))) ++next;
  return next;
}

// It would wait in a queue that nobody empties, and keep a processor busy.
TEST_F(UserNetworkTest, AClientThatThereIsNoDescriptorForIsTurnedAway) {
  const sockaddr_in address = free_port();
  start({.forwards = {{.host_port = ::ntohs(address.sin_port), .guest_port = 80}}, .program = {}});
  send(arp_request());
  ASSERT_TRUE(next(is_arp_reply).has_value());
  const pid_t child = children().back();
  rlimit before = {};
  ASSERT_EQ(::prlimit(child, RLIMIT_NOFILE, nullptr, &before), 0);
  const rlimit none_left = {.rlim_cur = descriptors_of(child), .rlim_max = before.rlim_max};
  ASSERT_EQ(::prlimit(child, RLIMIT_NOFILE, &none_left, nullptr), 0);
  for (int round = 0; round < 3; ++round) {
    const UniqueFd client = client_of(address);
    pollfd end = {.fd = client.get(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&end, 1, 5000), 1) << "it is left waiting";
    char byte = 0;
    EXPECT_LE(::recv(client.get(), &byte, 1, MSG_DONTWAIT), 0);
  }

  ASSERT_EQ(::prlimit(child, RLIMIT_NOFILE, &before, nullptr), 0);
  const UniqueFd client = client_of(address);
  EXPECT_TRUE(next([](const Bytes& frame) { return frame.size() >= 54 && frame[23] == 6; }).has_value());
}

TEST_F(UserNetworkTest, NonsenseFramesDoNoHarm) {
  start();
  std::uint32_t state = 1;
  for (int round = 0; round < 2000; ++round) {
    Bytes frame(15 + (state >> 8) % 200);
    for (std::uint8_t& byte : frame) byte = static_cast<std::uint8_t>((state = state * 1103515245 + 12345) >> 16);
    frame[12] = 8;
    frame[13] = round % 3 == 0 ? 6 : 0;
    frame[14] = 0x45;
    static_cast<void>(send(std::move(frame)));
  }
  static_cast<void>(send(Bytes(virtio_net::kLargestFrame, 1)));
  static_cast<void>(send(Bytes(14, 1)));
  Bytes request = arp_request();
  for (int tries = 0; tries < 100 && send(request) == NetBackend::Sent::kFull; ++tries)
    EXPECT_TRUE(loop_->serve(std::chrono::milliseconds(100)).has_value());
  EXPECT_TRUE(next(is_arp_reply).has_value());
}

TEST_F(UserNetworkTest, ADeadProgramIsALinkThatIsDown) {
  const auto before = children();
  start();
  for (const pid_t child : children())
    if (std::ranges::find(before, child) == before.end()) ::kill(child, SIGKILL);
  for (int tries = 0; tries < 100 && link_ == Link::kUp; ++tries) {
    virtio_net::Header header;
    Bytes frame(virtio_net::kLargestFrame);
    EXPECT_EQ(network_->receive(0, header, frame), 0u);
    ASSERT_TRUE(loop_->serve(std::chrono::milliseconds(100)).has_value());
  }
  EXPECT_EQ(link_, Link::kDown);
  EXPECT_EQ(send(arp_request()), NetBackend::Sent::kSent) << "into the void";
}

TEST_F(UserNetworkTest, TheProgramEndsWithTheNetwork) {
  const auto before = children();
  start();
  EXPECT_EQ(children().size(), before.size() + 1);
  network_.reset();
  EXPECT_EQ(children().size(), before.size());
}

TEST_F(UserNetworkTest, AProgramThatIsNotReadIsFullAndSaysWhenItIsNot) {
  start();
  std::vector<pid_t> all = children();
  ::kill(all.back(), SIGSTOP);
  const Bytes frame(60'000, 1);
  int sent = 0;
  while (sent < 10'000 && send(frame) == NetBackend::Sent::kSent) ++sent;
  EXPECT_LT(sent, 10'000) << "what nobody reads is not taken without end";
  ::kill(all.back(), SIGCONT);
}

TEST(UserNetwork, AnAbsentProgramIsSaid) {
  const auto refused = start_user_network({.forwards = {}, .program = "/nonexistent/keel-slirp"});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(refused.error().message(), HasSubstr("/nonexistent/keel-slirp"));
  const auto other = start_user_network({.forwards = {}, .program = "/bin/true"});
  EXPECT_THAT(other.error().message(), HasSubstr("does not start"));
}

TEST(HostForward, IsReadAndWritten) {
  const auto forward = parse_host_forward("tcp:127.0.0.1:8080-:80");
  ASSERT_TRUE(forward.has_value());
  EXPECT_EQ(forward->host_port, 8080);
  EXPECT_EQ(forward->guest_port, 80);
  EXPECT_EQ(to_string(*forward), "tcp:127.0.0.1:8080-:80");
  EXPECT_EQ(to_string(parse_host_forward("udp::53-:53").value()), "udp:127.0.0.1:53-:53");
  for (const std::string_view wrong :
       {"", "tcp", "tcp:", "tcp:1.2.3.4:80", "tcp:1.2.3:80-:80", "sctp::1-:1", "tcp::0-:80", "tcp::80-:0",
        "tcp::80-:65536", "tcp::80-:8x", "tcp::80-80", "tcp::-:", ":::-:"}) {
    const auto refused = parse_host_forward(wrong);
    ASSERT_FALSE(refused.has_value()) << wrong;
    EXPECT_THAT(refused.error().message(), HasSubstr("write tcp:127.0.0.1:8080-:80")) << wrong;
  }
}

}  // namespace
}  // namespace keel
