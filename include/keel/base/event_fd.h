// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>

#include "keel/base/error.h"
#include "keel/base/unique_fd.h"

namespace keel {

// A Linux eventfd counter: non-blocking, close-on-exec. All members may be called from any thread at any time.
class EventFd {
 public:
  [[nodiscard]] static Result<EventFd> create();

  // Adds `count` (at least 1). A counter that is full already signals, so that is success.
  Result<void> signal(std::uint64_t count = 1) const;
  // Takes the whole count; 0 when nothing was signalled.
  [[nodiscard]] Result<std::uint64_t> drain() const;
  // Whether drain() would take anything.
  [[nodiscard]] bool is_signalled() const noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
  explicit EventFd(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace keel
