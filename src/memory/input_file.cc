// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/memory/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace keel {
namespace {

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace

Result<InputFile> InputFile::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return std::unexpected(system_error(errno, path));
  return from_fd(std::move(fd), path);
}

Result<InputFile> InputFile::from_fd(UniqueFd fd, std::string name) {
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0) return std::unexpected(system_error(errno, name));
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kInvalidArgument, "{}: this is {}, where a regular file is needed", name,
                kind_of(status.st_mode));
  }
  return InputFile(std::move(fd), std::move(name), static_cast<std::uint64_t>(status.st_size));
}

Result<void> InputFile::read_at(std::uint64_t offset, std::span<std::uint8_t> bytes) const {
  if (offset > size_ || bytes.size() > size_ - offset) {
    return fail(ErrorCode::kOutOfBounds,
                "{}: cut short: {:#x} bytes at {:#x} are wanted, and the file has {:#x} in all", name_, bytes.size(),
                offset, size_);
  }
  while (!bytes.empty()) {
    const ssize_t count = ::pread(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(system_error(errno, name_));
    if (count == 0) return fail(ErrorCode::kOutOfBounds, "{}: became shorter while it was read", name_);
    offset += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

}  // namespace keel
