// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/backends/disk_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace keel {
namespace {

namespace fs = std::filesystem;
using Access = DiskProperties::Access;

struct Holder {
  int process = 0;
  std::string program;
  bool writes = false;
};

std::string first_line(const fs::path& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

// The kernel does not say whose an open file description lock is, but lists it with each descriptor (proc(5), fdinfo).
std::optional<bool> locked_for_writing(const fs::path& fdinfo) {
  std::ifstream file(fdinfo);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("lock:") && line.find("OFDLCK") != std::string::npos)
      return line.find(" WRITE ") != std::string::npos;
  }
  return std::nullopt;
}

std::optional<int> process_number(const fs::path& directory) {
  const std::string name = directory.filename();
  int number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

// Who of `process` has that file open and locked. `own` is the descriptor that asks.
std::optional<Holder> holder_in(const fs::path& process, int number, const struct stat& wanted, int own) {
  std::error_code ignored;
  for (fs::directory_iterator next(process / "fd", ignored), end; !ignored && next != end; next.increment(ignored)) {
    struct stat status = {};
    if (::stat(next->path().c_str(), &status) != 0) continue;
    if (status.st_dev != wanted.st_dev || status.st_ino != wanted.st_ino || status.st_rdev != wanted.st_rdev) continue;
    const std::string name = next->path().filename();
    if (number == ::getpid() && name == std::to_string(own)) continue;
    if (const auto writes = locked_for_writing(process / "fdinfo" / name))
      return Holder{.process = number, .program = first_line(process / "comm"), .writes = *writes};
  }
  return std::nullopt;
}

std::optional<Holder> find_holder(int fd) {
  struct stat wanted = {};
  if (::fstat(fd, &wanted) != 0) return std::nullopt;
  std::error_code ignored;
  for (fs::directory_iterator next("/proc", ignored), end; !ignored && next != end; next.increment(ignored)) {
    const auto number = process_number(next->path());
    if (!number) continue;
    if (auto holder = holder_in(next->path(), *number, wanted, fd)) return holder;
  }
  return std::nullopt;
}

std::unexpected<Error> in_use(int fd, const std::string& path, Access access) {
  const auto holder = find_holder(fd);
  const std::string_view help = access == Access::kReadOnly
                                    ? "who writes to a disk has it alone"
                                    : "who writes to a disk has it alone; all that only read it (,ro) may share it";
  if (!holder) {
    return fail(ErrorCode::kAlreadyExists, "disk {}: in use by a process that this user cannot see; {}", path, help);
  }
  const std::string_view for_what = holder->writes ? "writing" : "reading";
  if (holder->process == ::getpid()) {
    return fail(ErrorCode::kAlreadyExists, "disk {}: this machine already has it, for {}; {}", path, for_what, help);
  }
  return fail(ErrorCode::kAlreadyExists, "disk {}: in use by process {} ({}), for {}; {}", path, holder->process,
              holder->program, for_what, help);
}

int set_lock(int fd, short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;  // l_start and l_len 0: all of it, however long it becomes
  return ::fcntl(fd, F_OFD_SETLK, &lock);
}

}  // namespace

Result<LockedFile> LockedFile::lock(UniqueFd fd, const std::string& path, Access access) {
  if (set_lock(fd.get(), access == Access::kReadOnly ? F_RDLCK : F_WRLCK) == 0) return LockedFile(std::move(fd));
  if (errno == EAGAIN || errno == EACCES) return in_use(fd.get(), path, access);
  return std::unexpected(system_error(errno, "lock disk " + path));
}

LockedFile::~LockedFile() {
  if (fd_) set_lock(fd_.get(), F_UNLCK);
}

}  // namespace keel
