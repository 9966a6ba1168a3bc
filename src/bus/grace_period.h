// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "src/bus/rcu.h"
#include "src/bus/registered.h"

namespace keel::detail {

// What every access reads first: the indexes of both buses, so that one store publishes a change to both.
struct alignas(64) Snapshot {
  BusIndex pio;
  BusIndex mmio;
  std::shared_ptr<const RouteTable> pio_table;
  std::shared_ptr<const RouteTable> mmio_table;
};

// What a change took out of sight, and readers may still be looking at.
struct Garbage {
  std::unique_ptr<const Snapshot> snapshot;
  std::vector<std::unique_ptr<Registered<PioAddress>>> pio;
  std::vector<std::unique_ptr<Registered<MmioAddress>>> mmio;
};

// Keeps the garbage of one change until no reader can see it, then lets it go: by whoever waits first, or by
// liburcu's thread. Device destructors run there, as inside a handler: they must not wait and need not.
class GracePeriod final : public rcu::Deferred, public std::enable_shared_from_this<GracePeriod> {
 public:
  // `backlog` counts the bytes that wait.
  GracePeriod(Garbage garbage, std::size_t bytes, std::shared_ptr<std::atomic<std::size_t>> backlog) noexcept;
  ~GracePeriod() override = default;

  // Starts it; never blocks.
  void start();
  // Ends it: the caller knows that no reader is left. Returns once the garbage is gone, unless the calling thread must
  // not wait and another is at it.
  void complete() noexcept;

  [[nodiscard]] bool done() const noexcept { return done_.load(std::memory_order_acquire); }
  // False where the calling thread must not wait (in_io_handler) and it is not done.
  bool wait() noexcept;

 private:
  void run() noexcept override;
  [[nodiscard]] bool claim() noexcept { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  void release() noexcept;

  Garbage garbage_;
  const std::size_t bytes_;
  const std::shared_ptr<std::atomic<std::size_t>> backlog_;
  std::atomic<bool> claimed_ = false;  // by the one who releases
  std::atomic<bool> done_ = false;
  std::shared_ptr<GracePeriod> self_;  // while liburcu holds it
};

}  // namespace keel::detail
