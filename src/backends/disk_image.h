// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <string>

#include "src/backends/disk_lock.h"
#include "keel/base/error.h"
#include "keel/devices/block_backend.h"

namespace keel {

// An open and locked file, and what it is as a disk.
struct DiskImage {
  [[nodiscard]] static Result<DiskImage> open(const std::string& path, DiskProperties::Access access);

  LockedFile file;
  DiskProperties properties;
};

}  // namespace keel
