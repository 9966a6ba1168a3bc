// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <string>
#include <utility>

#include "keel/base/error.h"
#include "keel/base/unique_fd.h"
#include "keel/devices/block_backend.h"

namespace keel {

// Owns a descriptor and a lock of the whole file (F_OFD_SETLK, fcntl(2)), and ends both. A close alone would leave the
// lock to whoever else holds the open file for a moment: io_uring does, past the completion of its last request.
class LockedFile {
 public:
  LockedFile() noexcept = default;
  // The lock is what `access` needs: writers are alone, readers may be many. Error kAlreadyExists says who has it.
  [[nodiscard]] static Result<LockedFile> lock(UniqueFd fd, const std::string& path, DiskProperties::Access access);
  LockedFile(LockedFile&&) noexcept = default;
  LockedFile& operator=(LockedFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~LockedFile();

  [[nodiscard]] int get() const noexcept { return fd_.get(); }

 private:
  explicit LockedFile(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace keel
