// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/event_thread.h"

#include <pthread.h>

#include <system_error>

#include "src/base/signals_blocked.h"
#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel {

Result<std::unique_ptr<EventThread>> EventThread::start(const std::string& name) {
  KEEL_TRY(std::unique_ptr<EpollLoop> loop, EpollLoop::create());
  std::unique_ptr<EventThread> self(new EventThread(std::move(loop)));
  try {
    const SignalsBlocked blocked;
    self->thread_ = std::thread([&events = *self->loop_] {
      const Result<void> ended = events.run();
      check(ended.has_value(), "an event loop's own descriptors stay good");
    });
  } catch (const std::system_error& error) {
    return fail(ErrorCode::kExhausted, "no thread for the event loop \"{}\": {}", name, error.what());
  }
  ::pthread_setname_np(self->thread_.native_handle(), name.substr(0, 15).c_str());
  return self;
}

EventThread::~EventThread() {
  if (!thread_.joinable()) return;
  loop_->stop();
  thread_.join();
}

}  // namespace keel
