// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/bus/io_manager_core.h"

#include "keel/base/try.h"
#include "keel/bus/handler_scope.h"

namespace keel::detail {

namespace {

std::shared_ptr<const RouteTable> make_table(std::span<const Route> routes, const std::shared_ptr<SlotPool>& pool) {
  return std::make_shared<const RouteTable>(routes, pool);
}

std::unique_ptr<const Snapshot> make_snapshot(std::shared_ptr<const RouteTable> pio,
                                              std::shared_ptr<const RouteTable> mmio) {
  const BusIndex pio_index = pio->index();
  const BusIndex mmio_index = mmio->index();
  return std::make_unique<const Snapshot>(pio_index, mmio_index, std::move(pio), std::move(mmio));
}

// Destroys what nobody sees any more, devices included.
void release(Garbage garbage) {
  const HandlerScope scope;
  const Garbage gone = std::move(garbage);
}

}  // namespace

IoManagerCore::IoManagerCore()
    : pool_(std::make_shared<SlotPool>()),
      current_(make_snapshot(make_table({}, pool_), make_table({}, pool_)).release()),
      books_(std::make_shared<Books>()),
      backlog_(std::make_shared<std::atomic<std::size_t>>(0)) {}

IoManagerCore::~IoManagerCore() {
  books_->retire();
  Garbage rest;
  rest.snapshot.reset(current_.exchange(nullptr));
  rest.pio = pio_.take_all();
  rest.mmio = mmio_.take_all();
  if (!books_->nobody_dispatches()) {
    if (in_io_handler()) {
      (void)retire(std::move(rest), 0);
      return;
    }
    rcu::synchronize();
  }
  for (const auto& period : take_pending()) period->complete();
  release(std::move(rest));
}

Result<Completion> IoManagerCore::commit(Draft<PioAddress>& pio, Draft<MmioAddress>& mmio) {
  if (pio.empty() && mmio.empty()) return Completion();
  KEEL_TRY_VOID(bound_backlog());
  const bool removes = pio.removes() || mmio.removes();
  Garbage garbage;
  std::size_t bytes = sizeof(Snapshot);
  {
    const Lock lock(mutex_);
    KEEL_TRY_VOID(pio.admissible(pio_));
    KEEL_TRY_VOID(mmio.admissible(mmio_));
    const Snapshot& old = *current_.load(std::memory_order_relaxed);
    auto pio_table = old.pio_table;
    auto mmio_table = old.mmio_table;
    if (!pio.empty()) {
      garbage.pio = pio.apply(pio_);
      bytes += pio_table->bytes() + garbage.pio.size() * sizeof(Registered<PioAddress>);
      pio_table = make_table(pio_.routes(), pool_);
    }
    if (!mmio.empty()) {
      garbage.mmio = mmio.apply(mmio_);
      bytes += mmio_table->bytes() + garbage.mmio.size() * sizeof(Registered<MmioAddress>);
      mmio_table = make_table(mmio_.routes(), pool_);
    }
    auto next = make_snapshot(std::move(pio_table), std::move(mmio_table));
    garbage.snapshot.reset(current_.exchange(next.release(), std::memory_order_acq_rel));
  }
  Completion completion = retire(std::move(garbage), bytes);
  return removes ? completion : Completion();
}

Completion IoManagerCore::retire(Garbage garbage, std::size_t bytes) {
  if (books_->nobody_dispatches()) {
    release(std::move(garbage));
    return {};
  }
  auto period = std::make_shared<GracePeriod>(std::move(garbage), bytes, backlog_);
  {
    const Lock lock(mutex_);
    const auto over = [](const std::weak_ptr<GracePeriod>& waiting) {
      const auto alive = waiting.lock();
      return !alive || alive->done();
    };
    while (!pending_.empty() && over(pending_.front())) pending_.pop_front();
    pending_.push_back(period);
  }
  period->start();
  return Completion(std::move(period));
}

std::vector<std::shared_ptr<GracePeriod>> IoManagerCore::take_pending() {
  std::vector<std::shared_ptr<GracePeriod>> periods;
  const Lock lock(mutex_);
  for (const auto& waiting : pending_) {
    if (auto period = waiting.lock()) periods.push_back(std::move(period));
  }
  pending_.clear();
  return periods;
}

Result<void> IoManagerCore::bound_backlog() {
  const std::size_t backlog = backlog_->load(std::memory_order_relaxed);
  if (backlog <= kMaxBacklog) return {};
  if (in_io_handler()) {
    return fail(ErrorCode::kExhausted,
                "{} bytes of earlier changes to the buses wait for a handler to return; change less, or from outside "
                "handlers",
                backlog);
  }
  const auto periods = take_pending();
  rcu::synchronize();
  for (const auto& period : periods) period->complete();
  return {};
}

}  // namespace keel::detail
