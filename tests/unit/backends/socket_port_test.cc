// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/backends/socket_port.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>

#include "keel/base/epoll_loop.h"
#include "keel/base/unique_fd.h"

namespace keel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What a device hears.
struct User final : ConsolePortUser {
  void input_ready(std::uint32_t port) override { heard.push_back(fmt::format("input {}", port)); }
  void output_ready(std::uint32_t port) override { heard.push_back(fmt::format("output {}", port)); }
  void connection_changed(std::uint32_t port) override { heard.push_back(fmt::format("connection {}", port)); }
  std::vector<std::string> heard;
};

class SocketPortTest : public ::testing::Test {
 protected:
  SocketPortTest() { EXPECT_TRUE(port_->attach(*loop_, user_, 3).has_value()); }
  ~SocketPortTest() override {
    port_.reset();
    std::filesystem::remove_all(folder_);
  }

  [[nodiscard]] UniqueFd connect() const {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strcpy(static_cast<char*>(address.sun_path), path_.c_str());  // NOLINT: short
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }
  // What the device heard meanwhile.
  std::vector<std::string> serve() {
    while (loop_->serve(std::chrono::milliseconds(0)).value() > 0) {
    }
    return std::exchange(user_->heard, {});
  }
  std::string read(std::size_t size = 100) {
    std::vector<std::uint8_t> bytes(size);
    const std::size_t count = port_->read(bytes);
    return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count)};
  }
  std::size_t write(std::string_view text) {
    return port_->write({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }

  static std::string make_folder() {
    std::string name = "/tmp/keel-port-XXXXXX";
    return ::mkdtemp(name.data()) == nullptr ? "" : name;
  }
  const std::string folder_ = make_folder();
  std::unique_ptr<EpollLoop> loop_ = EpollLoop::create().value();
  const std::shared_ptr<User> user_ = std::make_shared<User>();
  const std::string path_ = folder_ + "/socket";
  std::shared_ptr<ConsolePort> port_ = listen_port(path_).value();
};

TEST_F(SocketPortTest, CarriesBytesBothWays) {
  EXPECT_FALSE(port_->connected());
  const UniqueFd client = connect();
  EXPECT_THAT(serve(), ElementsAre("connection 3"));
  EXPECT_TRUE(port_->connected());
  EXPECT_EQ(read(), "");
  ASSERT_EQ(::send(client.get(), "hello", 5, 0), 5);
  EXPECT_THAT(serve(), ElementsAre("input 3"));
  EXPECT_EQ(read(3), "hel");
  EXPECT_EQ(read(), "lo");
  EXPECT_EQ(write("world"), 5u);
  std::array<char, 10> bytes{};
  EXPECT_EQ(::recv(client.get(), bytes.data(), bytes.size(), 0), 5);
  EXPECT_STREQ(bytes.data(), "world");
}

TEST_F(SocketPortTest, WithoutAClientOutputIsLostAndInputIsNot) {
  EXPECT_EQ(write("nobody"), 6u);
  EXPECT_EQ(read(), "");
  const UniqueFd client = connect();
  ASSERT_EQ(::send(client.get(), "early", 5, 0), 5);
  EXPECT_THAT(serve(), ElementsAre("connection 3", "input 3"));
  EXPECT_EQ(read(), "early");
}

TEST_F(SocketPortTest, SlowClientIsWaitedFor) {
  const UniqueFd client = connect();
  (void)serve();
  const std::string text(4096, 'x');
  std::size_t sent = 0;
  for (std::size_t count = 0; (count = write(text)) != 0;) sent += count;
  EXPECT_THAT(serve(), ElementsAre());
  std::vector<char> bytes(sent);
  EXPECT_EQ(::recv(client.get(), bytes.data(), bytes.size(), MSG_WAITALL), static_cast<ssize_t>(sent));
  EXPECT_THAT(serve(), ElementsAre("output 3"));
  EXPECT_EQ(write("more"), 4u);
}

TEST_F(SocketPortTest, NextClientComesWhenTheFirstHasGone) {
  UniqueFd first = connect();
  const UniqueFd second = connect();
  ASSERT_EQ(::send(second.get(), "second", 6, 0), 6);
  EXPECT_THAT(serve(), ElementsAre("connection 3"));
  EXPECT_EQ(read(), "");
  first.reset();
  EXPECT_THAT(serve(), ElementsAre("input 3"));
  EXPECT_EQ(read(), "") << "its end";
  EXPECT_FALSE(port_->connected());
  EXPECT_THAT(serve(), ElementsAre("connection 3", "output 3", "connection 3", "input 3"));
  EXPECT_EQ(read(), "second");
}

// The client waits then; nobody else on the loop does.
TEST_F(SocketPortTest, AHostWithoutDescriptorsIsAskedAgainLater) {
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const UniqueFd client = connect();
  const UniqueFd lowest(::dup(STDIN_FILENO));
  const rlimit none_left = {.rlim_cur = static_cast<rlim_t>(lowest.get()), .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none_left), 0);
  int turns = 0;
  while (turns < 20 && loop_->serve(std::chrono::milliseconds(0)).value() > 0) ++turns;
  EXPECT_LT(turns, 20);
  EXPECT_FALSE(port_->connected());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  for (int i = 0; i < 50 && !port_->connected(); ++i)
    ASSERT_TRUE(loop_->serve(std::chrono::milliseconds(100)).has_value());
  EXPECT_TRUE(port_->connected());
}

TEST_F(SocketPortTest, ClientThatLeavesAmidOutput) {
  UniqueFd client = connect();
  (void)serve();
  client.reset();
  EXPECT_EQ(write("a"), 1u);
  EXPECT_EQ(write("b"), 1u);
  (void)serve();
  EXPECT_FALSE(port_->connected());
}

TEST_F(SocketPortTest, SocketGoesWithThePort) {
  EXPECT_TRUE(std::filesystem::exists(path_));
  port_.reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SocketPortTest, PathsThatCannotBe) {
  const auto error = [](const std::string& path) { return listen_port(path).error().message(); };
  EXPECT_THAT(error(path_), HasSubstr("somebody has that already; choose another path"));
  EXPECT_THAT(error(""), HasSubstr("a path has 1 to 107 bytes"));
  EXPECT_THAT(error("/tmp/" + std::string(200, 'x')), HasSubstr("a path has 1 to 107 bytes"));
  EXPECT_EQ(listen_port(folder_ + "/none/socket").error().code(), ErrorCode::kNotFound);
  const std::string file = folder_ + "/file";
  std::ofstream(file) << "precious";
  EXPECT_THAT(error(file), HasSubstr("somebody has that already"));
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(SocketPortTest, SocketThatWasLeftBehindMakesRoom) {
  const std::string path = folder_ + "/left";
  {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strcpy(static_cast<char*>(address.sun_path), path.c_str());  // NOLINT: short
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  EXPECT_TRUE(listen_port(path).has_value());
}

}  // namespace
}  // namespace keel
