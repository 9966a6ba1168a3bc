// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/device/reclaimer.h"

#include <system_error>
#include <utility>

#include "src/base/signals_blocked.h"
#include "keel/base/check.h"

namespace keel::detail {

Reclaimer::~Reclaimer() {
  std::thread thread;
  {
    const Lock lock(mutex_);
    stopping_ = true;
    thread = std::move(thread_);
  }
  changed_.notify_all();
  if (thread.joinable()) thread.join();
}

Result<void> Reclaimer::start() {
  const Lock lock(mutex_);
  if (thread_.joinable()) return {};
  try {
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return fail(ErrorCode::kExhausted,
                "a detach inside an I/O handler needs a thread to end it, and the host gives none ({}); detach from "
                "outside handlers, or let this process have one more thread",
                error.what());
  }
  return {};
}

void Reclaimer::defer(Completion readers, std::move_only_function<void()> release) {
  {
    const Lock lock(mutex_);
    jobs_.push_back({std::move(readers), std::move(release)});
  }
  changed_.notify_all();
}

void Reclaimer::drain() {
  const Lock lock(mutex_);
  while (busy_ || !jobs_.empty()) changed_.wait(mutex_);
}

void Reclaimer::run() {
  for (std::optional<Job> job = next_job(); job; job = next_job()) {
    const Completion::Wait waited = job->readers.wait();
    check(waited == Completion::Wait::kDone, "the reclaimer is inside an I/O handler");
    job->release();
    job.reset();
    {
      const Lock lock(mutex_);
      busy_ = false;
    }
    changed_.notify_all();
  }
}

std::optional<Reclaimer::Job> Reclaimer::next_job() {
  const Lock lock(mutex_);
  while (jobs_.empty() && !stopping_) changed_.wait(mutex_);
  if (jobs_.empty()) return std::nullopt;
  busy_ = true;
  std::optional<Job> job(std::move(jobs_.front()));
  jobs_.pop_front();
  return job;
}

}  // namespace keel::detail
