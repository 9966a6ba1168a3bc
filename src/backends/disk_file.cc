// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/backends/disk_file.h"

#include "src/backends/disk_image.h"
#include "src/backends/thread_disk.h"
#include "src/backends/uring_disk.h"
#include "keel/base/try.h"

namespace keel {

Result<std::unique_ptr<BlockBackend>> open_disk(const std::string& path, const DiskFileOptions& options) {
  using Engine = DiskFileOptions::Engine;
  KEEL_TRY(DiskImage image, DiskImage::open(path, options.access));
  if (options.engine != Engine::kThreads) {
    auto disk = UringDisk::create(image);
    if (disk) return std::move(*disk);
    if (options.engine == Engine::kUring || disk.error().code() != ErrorCode::kUnsupported)
      return std::unexpected(disk.error().within("disk " + path));
  }
  auto disk = ThreadDisk::create(image);
  if (!disk) return std::unexpected(disk.error().within("disk " + path));
  return std::move(*disk);
}

}  // namespace keel
