// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "src/backends/fd_network.h"
#include "keel/backends/user_network.h"
#include "keel/base/try.h"

namespace keel {
namespace {

constexpr int kPatience = 10'000;  // ms, for the program to say that it is ready
constexpr int kSocketBuffer = 4 << 20;

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

// keel-slirp, from start to end.
class Child {
 public:
  explicit Child(pid_t process) noexcept : process_(process) {}
  Child(Child&& other) noexcept : process_(std::exchange(other.process_, -1)) {}
  Child& operator=(Child&&) = delete;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (process_ < 0) return;
    ::kill(process_, SIGKILL);
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

 private:
  pid_t process_;
};

class UserNetwork final : public FdNetwork {
 public:
  UserNetwork(Child child, std::vector<UniqueFd> socket, const NetProperties& properties)
      : FdNetwork(std::move(socket), properties), child_(std::move(child)) {}

 private:
  const Child child_;
};

Result<std::string> find_program(const std::string& wanted) {
  std::string path = wanted;
  if (path.empty()) {
    std::error_code error;
    path = std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / "keel-slirp";
  }
  if (::access(path.c_str(), X_OK) != 0) {
    return fail(ErrorCode::kNotFound, "user-mode networking: {}: {}; it is installed beside keel", path,
                std::generic_category().message(errno));
  }
  return path;
}

// Its end of the socket becomes descriptor 3; nothing else of this process is its business.
Result<Child> spawn(const std::string& program, int socket, const std::vector<HostForward>& forwards) {
  std::vector<std::string> words = {program};
  for (const HostForward& forward : forwards) words.push_back(to_string(forward));
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::array<char*, 1> environment = {nullptr};

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&actions, socket, 3);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t process = -1;
  const int error =
      ::posix_spawn(&process, program.c_str(), &actions, &attributes, arguments.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return std::unexpected(system_error(error, "start " + program));
  return Child(process);
}

// Its first message: "ready", or what is wrong.
Result<void> await_ready(int socket, const std::string& program) {
  pollfd wait = {.fd = socket, .events = POLLIN, .revents = 0};
  int ready = 0;
  do ready = ::poll(&wait, 1, kPatience);
  while (ready < 0 && errno == EINTR);
  std::array<char, 1024> text;
  const ssize_t count = ready == 1 ? ::read(socket, text.data(), text.size()) : -1;
  if (count <= 0) return fail(ErrorCode::kIo, "user-mode networking: {} does not start", program);
  const std::string_view said(text.data(), static_cast<std::size_t>(count));
  if (said != "ready") return fail(ErrorCode::kIo, "user-mode networking: {}", said);
  return {};
}

}  // namespace

Result<HostForward> parse_host_forward(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorCode::kInvalidArgument,
                "\"{}\" forwards no port; write tcp:127.0.0.1:8080-:80 (host's address and port, guest's port)", text);
  };
  HostForward forward;
  const std::size_t first = text.find(':');
  const std::size_t second = first == text.npos ? first : text.find(':', first + 1);
  const std::size_t to = second == text.npos ? second : text.find("-:", second + 1);
  if (to == text.npos) return wrong();
  const std::string_view protocol = text.substr(0, first);
  if (protocol != "tcp" && protocol != "udp") return wrong();
  if (protocol == "udp") forward.protocol = HostForward::Protocol::kUdp;
  const std::string address(text.substr(first + 1, second - first - 1));
  if (!address.empty() && ::inet_pton(AF_INET, address.c_str(), forward.host_address.data()) != 1) return wrong();
  const auto host_port = port_of(text.substr(second + 1, to - second - 1));
  const auto guest_port = port_of(text.substr(to + 2));
  if (!host_port || !guest_port) return wrong();
  forward.host_port = *host_port;
  forward.guest_port = *guest_port;
  return forward;
}

std::string to_string(const HostForward& forward) {
  const auto& a = forward.host_address;
  return fmt::format("{}:{}.{}.{}.{}:{}-:{}", forward.protocol == HostForward::Protocol::kTcp ? "tcp" : "udp", a[0],
                     a[1], a[2], a[3], forward.host_port, forward.guest_port);
}

Result<std::unique_ptr<NetBackend>> start_user_network(const UserNetworkOptions& options) {
  KEEL_TRY(const std::string program, find_program(options.program));
  std::array<int, 2> ends = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0)
    return std::unexpected(system_error(errno, "user-mode networking: socketpair"));
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  // As much as the host allows.
  for (const int end : ends) ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kSocketBuffer, sizeof(kSocketBuffer));
  // dup2 to its own number would leave it closed at exec.
  if (theirs.get() == 3) return fail(ErrorCode::kInvalidState, "standard descriptors of this process are closed");
  KEEL_TRY(Child child, spawn(program, theirs.get(), options.forwards));
  theirs.reset();  // so that its end is an end
  KEEL_TRY_VOID(await_ready(ours.get(), program));
  std::vector<UniqueFd> sockets;
  sockets.push_back(std::move(ours));
  // Frames from there were made on this machine, so that their checksums need not be looked at again.
  const NetProperties properties{
      .offloads = virtio_net::kFeatureGuestChecksum, .mtu = kUserNetworkMtu, .queue_pairs = 1};
  return std::make_unique<UserNetwork>(std::move(child), std::move(sockets), properties);
}

}  // namespace keel
