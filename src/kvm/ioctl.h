// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <sys/ioctl.h>

#include <cerrno>
#include <string_view>

#include "keel/base/error.h"

namespace keel::kvm {

// ioctl() that starts again after a signal; its result, or what failed.
template <typename Argument>
Result<int> call(int fd, unsigned long request, Argument argument, std::string_view what) {
  for (;;) {
    const int result = ::ioctl(fd, request, argument);
    if (result >= 0) return result;
    if (errno != EINTR) return std::unexpected(system_error(errno, what));
  }
}

}  // namespace keel::kvm
