// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/unique_fd.h"

#include <unistd.h>

namespace keel {

void UniqueFd::reset(int fd) noexcept {
  // Linux frees the number even where close() reports an error, so there is nothing to retry.
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

}  // namespace keel
