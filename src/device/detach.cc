// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// What ManagerCore does to attached devices: detach and move.

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "src/device/manager_core.h"
#include "keel/base/check.h"
#include "keel/base/try.h"
#include "keel/bus/handler_scope.h"

namespace keel::detail {

namespace {

template <typename A>
Resource resource_of(Range<A> range) {
  if constexpr (std::is_same_v<A, PioAddress>)
    return PioResource{range};
  else
    return MmioResource{range};
}

Result<void> draft_move(IoTransaction& transaction, PioAddress from, PioAddress to) {
  return transaction.move_pio(from, to);
}
Result<void> draft_move(IoTransaction& transaction, MmioAddress from, MmioAddress to) {
  return transaction.move_mmio(from, to);
}

}  // namespace

Result<Detachment> ManagerCore::detach(DeviceTree::Target target, Children children) {
  // I/O may be inside the device, even this thread's own. Its release waits for that, on a thread that is inside no
  // device and so holds no device's lock.
  if (in_io_handler()) KEEL_TRY_VOID(reclaimer_.start());
  std::vector<Leaving> leaving;
  {
    const Lock lock(mutex_);
    KEEL_TRY(leaving, tree_.start_detach(target, children));
  }
  Result<Detachment> gone = take_out(std::move(leaving));
  detach_dropped();
  return gone;
}

void ManagerCore::drop(DeviceTree::Target target) noexcept {
  {
    const Lock lock(mutex_);
    dropped_.push_back(target);
  }
  detach_dropped();
}

void ManagerCore::detach_dropped() noexcept {
  // One after the other, under the lock: whoever keeps one from leaving ends under the lock too, and then looks here.
  for (std::size_t i = 0;;) {
    std::vector<Leaving> leaving;
    DeviceTree::Target target = {};
    {
      const Lock lock(mutex_);
      if (i >= dropped_.size()) return;
      if (in_io_handler() && !reclaimer_.start()) return;
      target = dropped_[i];
      auto started = tree_.start_detach(target, Children::kRemove);
      if (!started && started.error().code() != ErrorCode::kNotFound) {
        ++i;
        continue;
      }
      dropped_.erase(dropped_.begin() + static_cast<std::ptrdiff_t>(i));
      if (!started) continue;
      leaving = std::move(*started);
    }
    if (take_out(std::move(leaving))) continue;
    // The bus could not let go of it: at the end of another flow it may.
    const Lock lock(mutex_);
    dropped_.insert(dropped_.begin() + static_cast<std::ptrdiff_t>(std::min(i, dropped_.size())), target);
    ++i;
  }
}

// Ends what start_detach() began.
Result<Detachment> ManagerCore::take_out(std::vector<Leaving> leaving) {
  const bool inside = in_io_handler();
  Result<Completion> readers = unregister_ranges(leaving);
  {
    const Lock lock(mutex_);
    if (!readers) {
      tree_.cancel_detach(std::move(leaving));
      return std::unexpected(std::move(readers).error());
    }
    for (const Leaving& one : leaving) tree_.remove(one.id);
  }
  {
    const HandlerScope scope;
    for (Leaving& one : leaving) drop_all(one.belongings.parts);
  }
  auto done = std::make_shared<std::atomic<bool>>(false);
  auto finish = [this, done, leaving = std::move(leaving)]() mutable {
    for (Leaving& one : leaving) release(std::move(one.belongings), Assigned::kYes);
    done->store(true, std::memory_order_release);
    done->notify_all();
  };
  if (inside) {
    reclaimer_.defer(std::move(*readers), std::move(finish));
  } else {
    readers->wait();
    finish();
  }
  return Detachment(std::move(done));
}

Result<Completion> ManagerCore::unregister_ranges(const std::vector<Leaving>& leaving) const {
  DeviceResources registered;
  for (const auto& [id, belongings] : leaving) {
    if (!belongings.is_played()) continue;
    for (const Resource& resource : belongings.resources().all()) registered.add(resource);
  }
  Result<void> ready = step("deregister");
  Result<Completion> readers = ready ? io_.deregister_device(registered) : std::unexpected(ready.error());
  if (readers) return readers;
  const Belongings& root = leaving.back().belongings;
  return std::unexpected(
      readers.error().within(fmt::format("device {} \"{}\" cannot be detached", root.grant.id(), root.path())));
}

void ManagerCore::release(Belongings belongings, Assigned assigned) {
  {
    const HandlerScope scope;
    if (assigned == Assigned::kYes) belongings.device->released();
    drop_all(belongings.lines);
  }
  belongings.grant.reset();
  {
    const Lock lock(mutex_);
    tree_.forget(*belongings.device);
  }
  const HandlerScope scope;
  belongings.device.reset();
}

template <typename A>
Result<Completion> ManagerCore::move(InstanceId id, Range<A> range, A to) {
  const std::optional<A> last = to.checked_add(range.last_offset());
  if (!last) {
    return fail(ErrorCode::kInvalidArgument, "{} of device {} moved to {} would pass the top of the address space ({})",
                to_string(resource_of(range)), id, to, A::max());
  }
  KEEL_TRY(const Range<A> now, Range<A>::from_bounds(to, *last));
  Belongings belongings;
  {
    const Lock lock(mutex_);
    KEEL_TRY(belongings, tree_.start_move(id, resource_of(range)));
  }
  Result<Completion> moved = now == range ? Completion() : move_owned(belongings, range, now);
  {
    const Lock lock(mutex_);
    tree_.settle(id, std::move(belongings));
  }
  detach_dropped();
  return moved;
}

template Result<Completion> ManagerCore::move(InstanceId id, PioRange range, PioAddress to);
template Result<Completion> ManagerCore::move(InstanceId id, MmioRange range, MmioAddress to);

template <typename A>
Result<Completion> ManagerCore::move_owned(Belongings& belongings, Range<A> old, Range<A> now) const {
  const Resource from = resource_of(old);
  const Resource to = resource_of(now);
  KEEL_TRY_VOID(belongings.grant.begin_move(from, to));
  std::vector<TakenPart> parts;
  const auto rest = [&]() -> Result<Completion> {
    if (!belongings.is_played()) return Completion();
    IoTransaction transaction = io_.begin();
    KEEL_TRY_VOID(draft_move(transaction, old.first(), now.first()));
    KEEL_TRY_VOID(take_steps(belongings, to, parts, &from));
    KEEL_TRY_VOID(step("commit"));
    return transaction.commit();
  };
  Result<Completion> moved = rest();
  // Whichever lost: those of the new place, or those of the old one.
  std::vector<TakenPart> lost;
  if (moved) {
    for (TakenPart& part : belongings.parts) (part.resource == from ? lost : parts).push_back(std::move(part));
    belongings.parts = std::move(parts);
  } else {
    lost = std::move(parts);
  }
  {
    const HandlerScope scope;
    drop_all(lost);
  }
  // Until here neither place was anybody else's.
  if (moved) {
    belongings.grant.finish_move(from, to);
    return moved;
  }
  belongings.grant.undo_move(from, to);
  return std::unexpected(moved.error().within(
      fmt::format("\"{}\": moving {} to {} failed", belongings.path(), to_string(from), to_string(to))));
}

void ManagerCore::detach_all() {
  // A device that is released, here or by a detach that was deferred, may detach others.
  const auto latest = [this] {
    reclaimer_.drain();
    const Lock lock(mutex_);
    return tree_.latest_first();
  };
  {
    const Lock lock(mutex_);
    tree_.close();
  }
  for (auto ids = latest(); !ids.empty(); ids = latest()) {
    const Result<Detachment> gone = detach({ids.front()}, Children::kRemove);
    check(gone.has_value(), gone ? "" : gone.error().message());
  }
}

}  // namespace keel::detail
