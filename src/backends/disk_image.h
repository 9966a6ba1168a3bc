// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <string>

#include "keel/base/error.h"
#include "keel/base/unique_fd.h"
#include "keel/devices/block_backend.h"

namespace keel {

// An open and locked file, and what it is as a disk.
struct DiskImage {
  [[nodiscard]] static Result<DiskImage> open(const std::string& path, DiskProperties::Access access);

  UniqueFd fd;
  DiskProperties properties;
};

// Locks the whole file as `access` needs it, for as long as the descriptor's open file description lives. Error
// kAlreadyExists says who has it.
[[nodiscard]] Result<void> lock_image(int fd, const std::string& path, DiskProperties::Access access);

}  // namespace keel
