// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// What ./bench virtio runs: in the guest, on its disk and towards its host; and on the host, at the other end.
//   io_worker disk DISK SECONDS         4 KiB at random and 128 KiB in a row, reading and writing, past the page cache
//   io_worker net ADDRESS PORT SECONDS  one TCP connection each way
//   io_worker both DISK ADDRESS PORT SECONDS  that, while the disk is read at random, 4 KiB at a time
//   io_worker serve ADDRESS PORT        the other end of that, until it is killed
// Says "keel-bench NAME VALUE UNIT" a line.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

struct Pattern {
  const char* name;
  std::uint16_t operation;  // IOCB_CMD_…
  std::size_t size;
  unsigned depth;
  bool random;
};

void say(const std::string& name, double value, const char* unit) {
  std::printf("keel-bench %s %.2f %s\n", name.c_str(), value, unit);
  std::fflush(stdout);
}

// Keeps `depth` requests under way through the kernel's asynchronous I/O.
class Load {
 public:
  Load(int fd, std::uint64_t disk_size, const Pattern& pattern)
      : fd_(fd), places_(disk_size / pattern.size), pattern_(pattern), requests_(pattern.depth) {
    buffers_ = static_cast<std::uint8_t*>(::mmap(nullptr, pattern.size * pattern.depth, PROT_READ | PROT_WRITE,
                                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
    ::syscall(SYS_io_setup, pattern.depth, &context_);
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() {
    ::syscall(SYS_io_destroy, context_);
    ::munmap(buffers_, pattern_.size * pattern_.depth);
  }

  // Requests a second, or less than 0 where one failed.
  double run(double seconds) {
    std::vector<iocb*> next;
    for (unsigned i = 0; i < pattern_.depth; ++i) next.push_back(prepare(i));
    std::vector<io_event> events(pattern_.depth);
    std::uint64_t done = 0;
    const auto start = Clock::now();
    Seconds passed(0);
    while (passed.count() < seconds) {
      if (::syscall(SYS_io_submit, context_, next.size(), next.data()) != static_cast<long>(next.size())) return -1;
      const long count = ::syscall(SYS_io_getevents, context_, 1, events.size(), events.data(), nullptr);
      next.clear();
      for (long i = 0; i < count; ++i) {
        if (events[static_cast<std::size_t>(i)].res != static_cast<std::int64_t>(pattern_.size)) return -1;
        next.push_back(prepare(static_cast<unsigned>(events[static_cast<std::size_t>(i)].data)));
      }
      done += next.size();
      passed = Clock::now() - start;
    }
    return static_cast<double>(done) / passed.count();
  }

 private:
  iocb* prepare(unsigned slot) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    const std::uint64_t place = pattern_.random ? state_ % places_ : sequence_++ % places_;
    iocb& request = requests_[slot];
    request = {};
    request.aio_data = slot;
    request.aio_lio_opcode = pattern_.operation;
    request.aio_fildes = static_cast<std::uint32_t>(fd_);
    request.aio_buf = reinterpret_cast<std::uintptr_t>(buffers_ + slot * pattern_.size);
    request.aio_nbytes = pattern_.size;
    request.aio_offset = static_cast<std::int64_t>(place * pattern_.size);
    return &request;
  }

  const int fd_;
  const std::uint64_t places_;
  const Pattern pattern_;
  std::vector<iocb> requests_;
  std::uint8_t* buffers_ = nullptr;
  aio_context_t context_ = 0;
  std::uint64_t state_ = 88172645463325252ull;
  std::uint64_t sequence_ = 0;
};

int measure_disk(const char* disk, double seconds) {
  const int fd = ::open(disk, O_RDWR | O_DIRECT);
  const off_t size = ::lseek(fd, 0, SEEK_END);
  if (size <= 0) return 1;
  constexpr std::array<Pattern, 6> kPatterns = {{
      {"write-128k", IOCB_CMD_PWRITE, 128 << 10, 8, false},
      {"read-128k", IOCB_CMD_PREAD, 128 << 10, 8, false},
      {"randread-4k-depth1", IOCB_CMD_PREAD, 4096, 1, true},
      {"randread-4k-depth32", IOCB_CMD_PREAD, 4096, 32, true},
      {"randwrite-4k-depth1", IOCB_CMD_PWRITE, 4096, 1, true},
      {"randwrite-4k-depth32", IOCB_CMD_PWRITE, 4096, 32, true},
  }};
  for (const Pattern& pattern : kPatterns) {
    const double rate = Load(fd, static_cast<std::uint64_t>(size), pattern).run(seconds);
    if (rate < 0) return 1;
    if (pattern.size == 4096) {
      say(pattern.name, rate, "IOPS");
    } else {
      say(pattern.name, rate * static_cast<double>(pattern.size) / 1e6, "MB/s");
    }
    say(std::string(pattern.name) + "-requests", rate * seconds, "requests");
  }
  return 0;
}

sockaddr_in address_of(const char* address, const char* port) {
  sockaddr_in result = {};
  result.sin_family = AF_INET;
  ::inet_pton(AF_INET, address, &result.sin_addr);
  result.sin_port = ::htons(static_cast<std::uint16_t>(std::atoi(port)));
  return result;
}

constexpr std::size_t kChunk = 256 << 10;

// The first byte of a connection says which way the rest goes.
int serve(const char* address, const char* port) {
  std::signal(SIGPIPE, SIG_IGN);
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  const int yes = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  const sockaddr_in at = address_of(address, port);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) != 0 || ::listen(listener, 4) != 0) return 1;
  std::vector<char> buffer(kChunk);
  for (;;) {
    const int peer = ::accept(listener, nullptr, nullptr);
    char way = 0;
    if (::read(peer, &way, 1) == 1) {
      if (way == 'r') {
        while (::read(peer, buffer.data(), buffer.size()) > 0) {
        }
      } else {
        while (::write(peer, buffer.data(), buffer.size()) > 0) {
        }
      }
    }
    ::close(peer);
  }
}

double stream(const sockaddr_in& at, char way, double seconds) {
  const int peer = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(peer, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) != 0 || ::write(peer, &way, 1) != 1)
    return -1;
  std::vector<char> buffer(kChunk);
  const auto start = Clock::now();
  Seconds passed(0);
  double bytes = 0;
  while (passed.count() < seconds) {
    const ssize_t count =
        way == 'r' ? ::write(peer, buffer.data(), buffer.size()) : ::read(peer, buffer.data(), buffer.size());
    if (count <= 0) return -1;
    bytes += static_cast<double>(count);
    passed = Clock::now() - start;
  }
  ::close(peer);
  return bytes / passed.count() / 1e6;
}

int measure_net(const sockaddr_in& at, double seconds, const std::string& prefix = "") {
  for (const auto& [way, name] : {std::pair{'r', "tcp-to-host"}, std::pair{'s', "tcp-from-host"}}) {
    const double rate = stream(at, way, seconds);
    if (rate < 0) return 1;
    say(prefix + name, rate, "MB/s");
  }
  return 0;
}

int measure_both(const char* disk, const sockaddr_in& at, double seconds) {
  const int fd = ::open(disk, O_RDONLY | O_DIRECT);
  const off_t size = ::lseek(fd, 0, SEEK_END);
  if (size <= 0) return 1;
  int net = 0;
  std::thread beside([&] { net = measure_net(at, seconds, "beside-"); });
  Load load(fd, static_cast<std::uint64_t>(size), {"", IOCB_CMD_PREAD, 4096, 32, true});
  const double rate = load.run(2 * seconds);
  beside.join();
  if (net != 0 || rate < 0) return 1;
  say("beside-randread-4k-depth32", rate, "IOPS");
  say("beside-requests", rate * 2 * seconds, "requests");
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::string command = count > 1 ? words[1] : "";
  if (command == "disk" && count == 4) return measure_disk(words[2], std::atof(words[3]));
  if (command == "net" && count == 5) return measure_net(address_of(words[2], words[3]), std::atof(words[4]));
  if (command == "both" && count == 6)
    return measure_both(words[2], address_of(words[3], words[4]), std::atof(words[5]));
  if (command == "serve" && count == 4) return serve(words[2], words[3]);
  return 2;
}
