// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/virtio/queue_kicks.h"

#include <bit>
#include <utility>

#include "keel/base/check.h"
#include "keel/base/try.h"
#include "keel/bus/handler_scope.h"

namespace keel::detail {

Result<std::unique_ptr<QueueKicks>> QueueKicks::create(VirtioDevice& device, EventLoop& loop) {
  KEEL_TRY(EventFd event, EventFd::create());
  std::unique_ptr<QueueKicks> kicks(new QueueKicks(device, loop, std::move(event)));
  KEEL_TRY(kicks->watch_, loop.watch(kicks->event_.fd(), Readiness::kReadable, [raw = kicks.get()] { raw->serve(); }));
  return kicks;
}

QueueKicks::QueueKicks(VirtioDevice& device, EventLoop& loop, EventFd event)
    : device_(device), loop_(loop), event_(std::move(event)), posted_((device.queue_sizes().size() + 63) / 64) {}

void QueueKicks::notify(std::uint16_t queue) {
  if (loop_.is_calling()) {
    device_.notify(queue);
  } else {
    post(queue);
  }
}

void QueueKicks::post(std::uint16_t queue) {
  const std::uint64_t bit = 1ull << (queue % 64);
  // Set before the event: the loop takes the event before the bits. A bit that was there has an event on its way.
  if ((posted_[queue / 64].fetch_or(bit, std::memory_order_acq_rel) & bit) != 0) return;
  check(event_.signal().has_value(), "the transport's own eventfd takes a signal");
}

void QueueKicks::serve() {
  const HandlerScope scope;
  check(event_.drain().has_value(), "the transport's own eventfd can be read");
  for (std::size_t word = 0; word < posted_.size(); ++word) {
    std::uint64_t bits = posted_[word].exchange(0, std::memory_order_acq_rel);
    for (; bits != 0; bits &= bits - 1) {
      device_.notify(static_cast<std::uint16_t>(word * 64 + static_cast<unsigned>(std::countr_zero(bits))));
    }
  }
}

}  // namespace keel::detail
