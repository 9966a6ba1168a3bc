// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/epoll_loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <utility>

#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel {
namespace {

constexpr std::uint64_t kStopKey = 0;

Result<void> change(int epoll, int operation, int fd, std::uint32_t events, std::uint64_t key) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = key;
  if (::epoll_ctl(epoll, operation, fd, &event) == 0) return {};
  if (errno == EEXIST) return fail(ErrorCode::kAlreadyExists, "descriptor {} is already watched by this loop", fd);
  return std::unexpected(system_error(errno, fmt::format("watch descriptor {}", fd)));
}

}  // namespace

Result<std::unique_ptr<EpollLoop>> EpollLoop::create() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return std::unexpected(system_error(errno, "epoll_create1"));
  KEEL_TRY(EventFd stop_event, EventFd::create());
  KEEL_TRY_VOID(change(epoll.get(), EPOLL_CTL_ADD, stop_event.fd(), EPOLLIN, kStopKey));
  return std::unique_ptr<EpollLoop>(new EpollLoop(std::move(epoll), std::move(stop_event)));
}

Result<EventLoop::Registration> EpollLoop::add(int fd, Readiness readiness, std::function<void()> callback) {
  auto entry = std::make_shared<const Entry>(Entry{fd, std::move(callback)});
  const Lock lock(mutex_);
  const std::uint64_t key = next_key_++;
  KEEL_TRY_VOID(change(epoll_.get(), EPOLL_CTL_ADD, fd, readiness == Readiness::kReadable ? EPOLLIN : EPOLLOUT, key));
  entries_.emplace(key, std::move(entry));
  return Registration{key};
}

void EpollLoop::remove(Registration registration) noexcept {
  std::shared_ptr<const Entry> entry;  // its callback's captures are destroyed after the lock is gone
  const Lock lock(mutex_);
  const auto found = entries_.find(std::to_underlying(registration));
  if (found == entries_.end()) return;
  entry = std::move(found->second);
  entries_.erase(found);
  // Fails only where the descriptor was closed too early, which has removed it as well.
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, entry->fd, nullptr);
}

bool EpollLoop::call(std::uint64_t key) {
  std::shared_ptr<const Entry> entry;
  {
    const Lock lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return false;
    entry = found->second;
  }
  entry->callback();
  return true;
}

Result<std::size_t> EpollLoop::serve(std::chrono::milliseconds timeout) {
  constexpr std::int64_t kLongest = std::numeric_limits<int>::max();
  const int wait = timeout.count() < 0 ? -1 : static_cast<int>(std::min<std::int64_t>(timeout.count(), kLongest));
  std::array<epoll_event, 32> ready;
  const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), wait);
  if (count < 0 && errno != EINTR) return std::unexpected(system_error(errno, "epoll_wait"));
  std::size_t called = 0;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t key = ready[static_cast<std::size_t>(i)].data.u64;
    if (key != kStopKey && call(key)) ++called;
  }
  return called;
}

Result<void> EpollLoop::run() {
  for (;;) {
    KEEL_TRY_VOID(serve(std::chrono::milliseconds(-1)));
    KEEL_TRY(const std::uint64_t stops, stop_event_.drain());
    if (stops != 0) return {};
  }
}

void EpollLoop::stop() noexcept {
  check(stop_event_.signal().has_value(), "the loop's own eventfd takes a signal");
}

}  // namespace keel
