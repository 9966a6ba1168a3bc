// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/backends/disk_image.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <string_view>

#include "keel/base/try.h"

namespace keel {
namespace {

using Access = DiskProperties::Access;

constexpr std::uint64_t kSectorSize = 512;

// What opening for writing failed with may be no hindrance to reading.
std::string_view read_only_hint(const std::string& path, Access access) {
  if (access == Access::kReadOnly) return "";
  const UniqueFd readable(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  return readable ? "; it can be read, so attach it read-only (,ro)" : "";
}

std::unexpected<Error> open_error(int error_number, const std::string& path, Access access) {
  switch (error_number) {
    case EISDIR:
      return fail(ErrorCode::kInvalidArgument, "disk {}: this is a directory; a disk is a file or a block device",
                  path);
    case EROFS:
      return fail(ErrorCode::kPermissionDenied, "disk {}: its file system is read-only{}", path,
                  read_only_hint(path, access));
    case EBUSY:
      return fail(ErrorCode::kAlreadyExists, "disk {}: the host uses this device itself (is it mounted?){}", path,
                  read_only_hint(path, access));
    case EACCES:
    case EPERM: {
      const Error error = system_error(error_number, "disk " + path);
      return std::unexpected(Error(error.code(), error.message() + std::string(read_only_hint(path, access))));
    }
    default: return std::unexpected(system_error(error_number, "disk " + path));
  }
}

Result<UniqueFd> open_descriptor(const std::string& path, Access access) {
  // Non-blocking, lest a pipe be waited for.
  int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (access == Access::kReadOnly ? O_RDONLY : O_RDWR);
  struct stat status = {};
  // Without O_CREAT, O_EXCL asks the kernel whether a block device is in use (open(2)).
  if (access == Access::kReadWrite && ::stat(path.c_str(), &status) == 0 && S_ISBLK(status.st_mode)) flags |= O_EXCL;
  UniqueFd fd(::open(path.c_str(), flags));
  if (!fd) return open_error(errno, path, access);
  return fd;
}

// A hole behind the end of a file changes nothing, and tells whether there can be any.
bool can_punch_holes(int fd, std::uint64_t size) {
  constexpr off_t kPage = 4096;
  return ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(size), kPage) == 0;
}

Result<void> measure(int fd, const std::string& path, DiskProperties& properties) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) return std::unexpected(system_error(errno, "disk " + path));
  if (S_ISBLK(status.st_mode)) {
    unsigned int logical = 0;
    if (::ioctl(fd, BLKGETSIZE64, &properties.size) != 0 || ::ioctl(fd, BLKSSZGET, &logical) != 0)
      return std::unexpected(system_error(errno, "disk " + path));
    properties.logical_block_size = logical;
  } else if (S_ISREG(status.st_mode)) {
    properties.size = static_cast<std::uint64_t>(status.st_size);
  } else {
    return fail(ErrorCode::kInvalidArgument, "disk {}: this is neither a file nor a block device", path);
  }
  if (properties.size == 0)
    return fail(ErrorCode::kInvalidArgument, "disk {}: it is empty; give it a size (truncate -s 1G {})", path, path);
  if (properties.size % kSectorSize != 0) {
    return fail(ErrorCode::kInvalidArgument,
                "disk {}: its {} bytes are no multiple of {}; make it {} bytes (truncate -s %{} {})", path,
                properties.size, kSectorSize, (properties.size / kSectorSize + 1) * kSectorSize, kSectorSize, path);
  }
  properties.can_discard =
      properties.access == Access::kReadWrite && (S_ISBLK(status.st_mode) || can_punch_holes(fd, properties.size));
  return {};
}

}  // namespace

Result<DiskImage> DiskImage::open(const std::string& path, Access access) {
  DiskProperties properties{.access = access};
  KEEL_TRY(UniqueFd fd, open_descriptor(path, access));
  // io_uring would hand back what has to wait for the disk.
  if (::fcntl(fd.get(), F_SETFL, 0) != 0) return std::unexpected(system_error(errno, "disk " + path));
  KEEL_TRY(LockedFile file, LockedFile::lock(std::move(fd), path, access));
  // Locked, since it writes, and another process's size would not be the disk's.
  KEEL_TRY_VOID(measure(file.get(), path, properties));
  return DiskImage{.file = std::move(file), .properties = properties};
}

}  // namespace keel
