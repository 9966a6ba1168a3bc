// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "keel/base/error.h"
#include "keel/devices/block_backend.h"

namespace keel {

struct DiskFileOptions {
  enum class Engine : std::uint8_t {
    kAuto,     // io_uring, or threads where the host has or allows none
    kUring,    // error kUnsupported there
    kThreads,  // preadv(2) and its like on a few threads
  };

  DiskProperties::Access access = DiskProperties::Access::kReadWrite;
  Engine engine = Engine::kAuto;
};

// Opens a file or a block device of the host as a disk, and locks it as long as it is open: one writer, or any number
// of readers, of all processes that lock it likewise (open file description locks, fcntl(2)).
//
// Data is in the host's page cache once a write completes, so that it survives the end of this process; kFlush is
// fdatasync(2). Discarding punches holes. Zeroes are made by the file system where it can, else written.
//
// Every error names the file and says what would help: kNotFound; kPermissionDenied; kInvalidArgument for what is
// neither file nor block device, is empty, or is no multiple of 512 bytes; kAlreadyExists where it is in use, with the
// process that has it; kUnsupported; kIo.
[[nodiscard]] Result<std::unique_ptr<BlockBackend>> open_disk(const std::string& path, const DiskFileOptions& options);

}  // namespace keel
