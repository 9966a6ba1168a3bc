// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/virtio_rng.h"

#include <algorithm>
#include <utility>

#include "keel/base/try.h"
#include "keel/bus/handler_scope.h"

namespace keel {
namespace {

using namespace std::chrono_literals;

// How long a guest that has used up its allowance waits for more, at least.
constexpr std::chrono::nanoseconds kPause = 10ms;
// After so long the allowance is full, whatever the limit; keeps the arithmetic below within 64 bits.
constexpr std::chrono::nanoseconds kLongest = 10s;

}  // namespace

Result<std::shared_ptr<VirtioRng>> VirtioRng::create(EntropySource& source, const Clock& clock, EventLoop& loop,
                                                     const EntropyLimit& limit) {
  if (limit.bytes_per_second == 0 || limit.burst == 0) {
    return fail(ErrorCode::kInvalidArgument, "an entropy limit of {} bytes a second, {} at once: both are at least 1",
                limit.bytes_per_second, limit.burst);
  }
  std::shared_ptr<VirtioRng> rng(new VirtioRng(source, clock, limit));
  KEEL_TRY(LoopTimer timer, LoopTimer::create(loop, [raw = rng.get()] {
             const HandlerScope scope;
             raw->notify(0);
           }));
  rng->timer_ = std::make_unique<LoopTimer>(std::move(timer));
  return rng;
}

VirtioRng::VirtioRng(EntropySource& source, const Clock& clock, const EntropyLimit& limit)
    : source_(source), clock_(clock), limit_(limit), allowance_(limit.burst), refilled_at_(clock.monotonic()) {}

VirtioRng::~VirtioRng() {
  if (timer_) timer_->drop_and_wait();
}

Result<void> VirtioRng::activate(VirtioActivation activation) {
  const Lock lock(mutex_);
  queue_ = std::move(activation.queues[0]);
  signals_ = activation.signals;
  return {};
}

void VirtioRng::reset() noexcept {
  const Lock lock(mutex_);
  timer_->disarm();
  queue_.reset();
  signals_ = nullptr;
}

void VirtioRng::notify(std::uint16_t /*queue*/) {
  const Lock lock(mutex_);
  if (queue_) serve();
}

void VirtioRng::serve() {
  refill_allowance();
  queue_->suppress_notifications();
  std::uint32_t left = queue_->size();
  for (; allowance_ != 0 && left != 0; --left) {
    auto chain = queue_->pop();
    if (!chain) break;
    const std::uint32_t written = fill(chain->writable());
    queue_->complete(std::move(*chain), written);
  }
  queue_->signal();
  if (allowance_ == 0) {
    timer_->arm(kPause);  // which serves what waits by then, without a notification
  } else if (queue_->request_notifications()) {
    signals_->call_again(0);
  }
}

// Straight into the guest's memory.
std::uint32_t VirtioRng::fill(WritableBuffers& buffers) {
  std::uint64_t written = 0;
  for (const iovec& piece : buffers.segments()) {
    const std::size_t wanted = std::min<std::uint64_t>(piece.iov_len, allowance_);
    const std::size_t got = source_.fill({static_cast<std::uint8_t*>(piece.iov_base), wanted});
    written += got;
    allowance_ -= got;
    if (got < piece.iov_len) break;
  }
  return static_cast<std::uint32_t>(written);
}

void VirtioRng::refill_allowance() {
  const auto now = clock_.monotonic();
  const auto passed = std::min(now - refilled_at_, kLongest);
  const auto micros = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(passed).count());
  // More a second than fits into 64 bits after kLongest is no limit.
  const std::uint64_t rate = std::min<std::uint64_t>(limit_.bytes_per_second, 1ull << 40);
  const std::uint64_t earned = passed == kLongest ? limit_.burst : rate * micros / 1'000'000;
  if (earned == 0) return;  // and the time stays on the account
  allowance_ += std::min(earned, limit_.burst - allowance_);
  refilled_at_ = now;
}

}  // namespace keel
