// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// A kind of resource that Keel does not know: places for queues on a VMM's I/O threads. Satisfying the contract is
// enough for code written against it, such as rebalance() below, to manage it beside Keel's own kinds.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/base/try.h"
#include "keel/resource/id_allocator.h"
#include "keel/resource/resource_allocator.h"

namespace {

using IoThread = keel::Number<struct IoThreadTag, std::uint32_t>;

// Every thread serves up to `capacity` queues. A request that names no thread goes to the one with the fewest.
class QueueAllocator {
 public:
  QueueAllocator(std::size_t threads, std::uint64_t capacity) : queues_(threads, 0), capacity_(capacity) {}

  keel::Result<IoThread> allocate(std::optional<IoThread> at, std::uint64_t queues) {
    const auto least = static_cast<std::uint32_t>(std::min_element(queues_.begin(), queues_.end()) - queues_.begin());
    const IoThread thread = at.value_or(IoThread(least));
    if (thread.value() >= queues_.size())
      return keel::fail(keel::ErrorCode::kOutOfBounds, "there is no I/O thread {} of {}", thread, queues_.size());
    if (queues > capacity_ - queues_[thread.value()]) {
      return keel::fail(keel::ErrorCode::kExhausted, "I/O thread {} serves {} of {} queues, {} more do not fit", thread,
                        queues_[thread.value()], capacity_, queues);
    }
    queues_[thread.value()] += queues;
    return thread;
  }

  keel::Result<void> free(IoThread thread, std::uint64_t queues) {
    if (thread.value() >= queues_.size() || queues > queues_[thread.value()])
      return keel::fail(keel::ErrorCode::kNotFound, "I/O thread {} does not serve {} queues", thread, queues);
    queues_[thread.value()] -= queues;
    return {};
  }

  keel::Result<IoThread> update(std::optional<IoThread> old, std::optional<std::uint64_t> old_queues, IoThread now,
                                std::uint64_t queues) {
    const std::vector<std::uint64_t> before = queues_;
    if (old) KEEL_TRY_VOID(free(*old, old_queues.value_or(queues)));
    keel::Result<IoThread> moved = allocate(now, queues);
    if (!moved) queues_ = before;
    return moved;
  }

  [[nodiscard]] std::uint64_t queues(IoThread thread) const { return queues_[thread.value()]; }

 private:
  std::vector<std::uint64_t> queues_;
  std::uint64_t capacity_;
};

static_assert(keel::ResourceAllocator<QueueAllocator, IoThread, std::uint64_t>);
static_assert(keel::ResourceAllocator<keel::IdAllocator<keel::Gsi>, keel::Gsi, std::uint64_t>);

// Knows the contract and nothing else.
template <typename T, keel::ResourceAllocator<T, std::uint64_t> Allocator>
bool rebalance(Allocator& allocator, T from, T to, std::uint64_t size) {
  const auto moved = allocator.update(from, size, to, size);
  fmt::print("{} -> {}: {}\n", from, to, moved ? "moved" : moved.error().message());
  return moved.has_value();
}

}  // namespace

int main() {
  QueueAllocator threads(2, 4);
  const auto net = threads.allocate(std::nullopt, 3);
  const auto blk = threads.allocate(std::nullopt, 2);
  if (net != IoThread(0) || blk != IoThread(1)) return 1;
  if (rebalance(threads, *net, *blk, 3) || threads.queues(*net) != 3 || threads.queues(*blk) != 2) return 1;
  if (!threads.free(*blk, 2) || !rebalance(threads, *net, *blk, 3) || threads.queues(*blk) != 3) return 1;

  keel::IdAllocator<keel::Gsi> gsis("gsi", keel::IdRange<keel::Gsi>::constant(5, 23));
  const auto gsi = gsis.allocate();
  return gsi && rebalance(gsis, *gsi, keel::Gsi(9), 1) ? 0 : 1;
}
