// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Runs inside the guest, on its disk:
//   disk_worker check DISK SEED    every block is the pattern of that seed
//   disk_worker change DISK SEED   makes every other block that of the seed, and sees it on the disk
//   disk_worker files DIRECTORY    writes files of the pattern for ever, and says of each when it is on the disk
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "boot/disk_pattern.h"

namespace {

using Block = std::vector<std::uint8_t>;
using keel::testing::fill_pattern;
using keel::testing::kPatternBlock;

constexpr std::uint64_t kBlocksOfAFile = 16;

int check(const char* disk, std::uint64_t seed) {
  const int fd = ::open(disk, O_RDONLY);
  const off_t size = ::lseek(fd, 0, SEEK_END);
  if (size <= 0) return 2;
  Block expected(kPatternBlock);
  Block found(kPatternBlock);
  for (off_t at = 0; at < size; at += static_cast<off_t>(kPatternBlock)) {
    fill_pattern(expected, static_cast<std::uint64_t>(at) / kPatternBlock, seed);
    if (::pread(fd, found.data(), found.size(), at) != static_cast<ssize_t>(found.size()) || found != expected) {
      std::printf("keel-worker differs at %lld\n", static_cast<long long>(at));
      return 1;
    }
  }
  std::printf("keel-worker checked %lld\n", static_cast<long long>(size));
  return 0;
}

int change(const char* disk, std::uint64_t seed) {
  const int fd = ::open(disk, O_RDWR);
  const off_t size = ::lseek(fd, 0, SEEK_END);
  if (size <= 0) return 2;
  Block block(kPatternBlock);
  for (off_t at = 0; at < size; at += static_cast<off_t>(2 * kPatternBlock)) {
    fill_pattern(block, static_cast<std::uint64_t>(at) / kPatternBlock, seed);
    if (::pwrite(fd, block.data(), block.size(), at) != static_cast<ssize_t>(block.size())) return 1;
  }
  return ::fsync(fd) == 0 ? 0 : 1;
}

bool write_file(const std::string& directory, std::uint64_t number) {
  const int fd = ::open((directory + "/f" + std::to_string(number)).c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (fd < 0) return false;
  Block block(kPatternBlock);
  bool good = true;
  for (std::uint64_t i = 0; i < kBlocksOfAFile; ++i) {
    fill_pattern(block, i, number);
    good = good && ::write(fd, block.data(), block.size()) == static_cast<ssize_t>(block.size());
  }
  good = good && ::fsync(fd) == 0;
  ::close(fd);
  return good;
}

int files(const std::string& directory) {
  for (std::uint64_t number = 0;; ++number) {
    if (!write_file(directory, number)) return 1;
    std::printf("keel-synced %llu\n", static_cast<unsigned long long>(number));
    std::fflush(stdout);
  }
}

}  // namespace

int main(int count, char** words) {
  const std::string command = count > 2 ? words[1] : "";
  if (command == "check" && count == 4) return check(words[2], std::strtoull(words[3], nullptr, 10));
  if (command == "change" && count == 4) return change(words[2], std::strtoull(words[3], nullptr, 10));
  if (command == "files") return files(words[2]);
  return 2;
}
