// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/backends/disk_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/run_program.h"
#include "keel/base/unique_fd.h"

namespace keel {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TemporaryFile;
using Access = DiskProperties::Access;
using Engine = DiskFileOptions::Engine;
using Operation = BlockRequest::Operation;
using Status = BlockCompletion::Status;

std::string pattern(std::size_t size, unsigned seed = 1) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>((seed = seed * 1103515245 + 12345) >> 16);
  return bytes;
}

iovec piece_of(std::string& text, std::size_t offset, std::size_t size) {
  return {.iov_base = text.data() + offset, .iov_len = size};
}
iovec piece_of(std::string& text) {
  return piece_of(text, 0, text.size());
}

// Waits for all that is under way; by tag.
std::map<std::uint64_t, Status> finish(BlockBackend& disk, std::size_t count) {
  std::map<std::uint64_t, Status> all;
  disk.commit();
  while (all.size() < count) {
    disk.wait();
    for (const BlockCompletion& completion : disk.completed()) {
      EXPECT_TRUE(all.emplace(completion.tag, completion.status).second) << "completed twice: " << completion.tag;
    }
  }
  return all;
}

class DiskFile : public ::testing::TestWithParam<Engine> {
 protected:
  [[nodiscard]] Result<std::unique_ptr<BlockBackend>> open(const std::string& path,
                                                           Access access = Access::kReadWrite) const {
    return open_disk(path, {.access = access, .engine = GetParam()});
  }
  [[nodiscard]] std::string refusal(const std::string& path, Access access = Access::kReadWrite) const {
    const auto disk = open(path, access);
    return disk ? "(it opened)" : disk.error().message();
  }
  static Status run(BlockBackend& disk, BlockRequest request) {
    request.tag = 7;
    disk.submit(request);
    return finish(disk, 1).at(7);
  }
  static Status transfer(BlockBackend& disk, Operation operation, std::uint64_t offset, std::string& data) {
    const std::array pieces = {piece_of(data)};
    return run(disk, {.operation = operation, .offset = offset, .size = data.size(), .pieces = pieces});
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, DiskFile, ::testing::Values(Engine::kUring, Engine::kThreads),
                         [](const auto& engine) { return engine.param == Engine::kUring ? "Uring" : "Threads"; });

// This process's threads, by their number in the kernel.
std::set<std::string> threads() {
  std::set<std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) all.insert(entry.path());
  return all;
}

// The signals that a thread blocks, as a bit set.
std::uint64_t blocked_signals(const std::string& thread) {
  std::ifstream status(thread + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("SigBlk:")) return std::stoull(line.substr(7), nullptr, 16);
  return 0;
}

// A program that takes signals in its own way may block them after it opened its disks.
TEST_P(DiskFile, LeavesTheProcessItsSignals) {
  const auto before = threads();
  const TemporaryFile image(std::string(4096, 'x'));
  const auto disk = open(image.path());
  ASSERT_TRUE(disk.has_value()) << disk.error().message();
  std::size_t of_the_disk = 0;
  for (const std::string& thread : threads()) {
    if (before.contains(thread)) continue;
    ++of_the_disk;
    const std::uint64_t blocked = blocked_signals(thread);
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGWINCH}) EXPECT_NE(blocked >> (number - 1) & 1, 0u) << number;
  }
  EXPECT_TRUE(of_the_disk > 0 || GetParam() == Engine::kUring);
}

TEST_P(DiskFile, SaysWhatItIs) {
  const TemporaryFile file(pattern(5 * 512));
  const auto disk = open(file.path());
  ASSERT_TRUE(disk) << disk.error().message();
  EXPECT_EQ((*disk)->properties().size, 5u * 512);
  EXPECT_EQ((*disk)->properties().logical_block_size, 512u);
  EXPECT_EQ((*disk)->properties().access, Access::kReadWrite);
}

TEST_P(DiskFile, ReadsAndWritesPiecesOfAnySize) {
  const std::string before = pattern(1 << 20);
  const TemporaryFile file(before);
  const auto disk = open(file.path()).value();
  std::string a(1, '?');
  std::string b(4095, '?');
  std::string c(70'000, '?');
  const std::array pieces = {piece_of(a), piece_of(b), piece_of(c)};
  BlockRequest request{.operation = Operation::kRead, .offset = 512, .size = 74'096, .pieces = pieces};
  EXPECT_EQ(run(*disk, request), Status::kDone);
  EXPECT_EQ(a + b + c, before.substr(512, 74'096));

  a = "x", b.assign(4095, 'y'), c.assign(70'000, 'z');
  request.operation = Operation::kWrite;
  EXPECT_EQ(run(*disk, request), Status::kDone);
  std::string after = before;
  after.replace(512, 74'096, a + b + c);
  EXPECT_EQ(file.content(), after);
}

TEST_P(DiskFile, MorePiecesThanOneCallTakes) {
  const std::string before = pattern(3000 * 512);
  const TemporaryFile file(before);
  const auto disk = open(file.path()).value();
  std::string data(before.size(), '?');
  std::vector<iovec> pieces;
  for (std::size_t i = 0; i < 3000; ++i) pieces.push_back(piece_of(data, i * 512, 512));
  EXPECT_EQ(run(*disk, {.operation = Operation::kRead, .size = data.size(), .pieces = pieces}), Status::kDone);
  EXPECT_EQ(data, before);
}

TEST_P(DiskFile, MoreRequestsThanTheHostTakesAtOnceAllCompleteOnce) {
  constexpr std::size_t kCount = 1000;
  const std::string before = pattern(kCount * 512);
  const TemporaryFile file(before);
  const auto disk = open(file.path()).value();
  std::string data(before.size(), '?');
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::array pieces = {piece_of(data, i * 512, 512)};
    disk->submit({.tag = i, .operation = Operation::kRead, .offset = i * 512, .size = 512, .pieces = pieces});
  }
  for (const auto& [tag, status] : finish(*disk, kCount)) EXPECT_EQ(status, Status::kDone) << tag;
  EXPECT_EQ(data, before);
}

TEST_P(DiskFile, TheEventSaysThatSomethingCompleted) {
  const TemporaryFile file(pattern(4096));
  const auto disk = open(file.path()).value();
  std::string data(512, '?');
  const std::array pieces = {piece_of(data)};
  for (int round = 0; round < 100; ++round) {
    ASSERT_TRUE(disk->completed().empty());
    disk->submit({.operation = Operation::kRead, .size = 512, .pieces = pieces});
    disk->submit({.operation = Operation::kFlush});
    disk->commit();
    for (std::size_t seen = 0; seen < 2;) {
      pollfd wait = {disk->completion_fd(), POLLIN, 0};
      ASSERT_EQ(::poll(&wait, 1, 10'000), 1) << "slept on a completion, round " << round;
      for (std::size_t got = disk->completed().size(); got > 0; got = disk->completed().size()) seen += got;
    }
  }
}

TEST_P(DiskFile, BeyondTheEndFailsAndTouchesNothing) {
  const std::string before = pattern(4096);
  const TemporaryFile file(before);
  const auto disk = open(file.path()).value();
  std::string data(1024, 'x');
  for (const std::uint64_t offset :
       {std::uint64_t{3584}, std::uint64_t{4096}, ~std::uint64_t{511}, ~std::uint64_t{0}}) {
    EXPECT_EQ(transfer(*disk, Operation::kRead, offset, data), Status::kFailed) << offset;
    EXPECT_EQ(transfer(*disk, Operation::kWrite, offset, data), Status::kFailed) << offset;
    for (const Operation operation : {Operation::kDiscard, Operation::kWriteZeroes, Operation::kUnmapZeroes})
      EXPECT_EQ(run(*disk, {.operation = operation, .offset = offset, .size = 1024}), Status::kFailed) << offset;
  }
  EXPECT_EQ(file.content(), before);
}

TEST_P(DiskFile, PiecesThatAreNotTheSizeFail) {
  const TemporaryFile file(pattern(4096));
  const auto disk = open(file.path()).value();
  std::string data(512, 'x');
  const std::array pieces = {piece_of(data)};
  EXPECT_EQ(run(*disk, {.operation = Operation::kWrite, .size = 1024, .pieces = pieces}), Status::kFailed);
}

TEST_P(DiskFile, AFileThatWasCutShortFailsToRead) {
  const TemporaryFile file(pattern(8192));
  const auto disk = open(file.path()).value();
  ASSERT_EQ(::truncate(file.path().c_str(), 6000), 0);
  std::string data(4096, '?');
  EXPECT_EQ(transfer(*disk, Operation::kRead, 4096, data), Status::kFailed);
  EXPECT_EQ(transfer(*disk, Operation::kRead, 0, data), Status::kDone);
}

TEST_P(DiskFile, ZeroesAreZeroesAndNothingElseIs) {
  // Files of memory cannot all make zeroes by themselves: there they are written.
  for (const std::string& folder : {std::string("/tmp"), std::string("/dev/shm")}) {
    const std::string path = folder + "/keel-zeroes-" + std::to_string(::getpid());
    std::string expected = pattern(3 << 20);
    std::ofstream(path, std::ios::binary) << expected;
    {
      const auto disk = open(path).value();
      for (const auto operation : {Operation::kWriteZeroes, Operation::kUnmapZeroes}) {
        const std::uint64_t offset = operation == Operation::kWriteZeroes ? 512 : (2 << 20) - 512;
        EXPECT_EQ(run(*disk, {.operation = operation,
                              .durability = BlockRequest::Durability::kStable,
                              .offset = offset,
                              .size = 1'000'448}),
                  Status::kDone);
        expected.replace(offset, 1'000'448, 1'000'448, '\0');
      }
    }
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(std::string(std::istreambuf_iterator<char>(file), {}) == expected) << folder;
    ::unlink(path.c_str());
  }
}

TEST_P(DiskFile, DiscardGivesStorageBack) {
  const TemporaryFile file(pattern(4 << 20));
  const auto disk = open(file.path()).value();
  EXPECT_EQ(run(*disk, {.operation = Operation::kFlush}), Status::kDone);
  if (!disk->properties().can_discard) GTEST_SKIP() << "this file system knows no holes";
  struct stat before = {};
  struct stat after = {};
  ::stat(file.path().c_str(), &before);
  EXPECT_EQ(run(*disk, {.operation = Operation::kDiscard, .offset = 1 << 20, .size = 2 << 20}), Status::kDone);
  ::stat(file.path().c_str(), &after);
  EXPECT_LT(after.st_blocks, before.st_blocks);
  EXPECT_EQ(after.st_size, before.st_size);
}

TEST_P(DiskFile, AReadOnlyDiskRefusesToChange) {
  const std::string before = pattern(8192);
  const TemporaryFile file(before);
  const auto disk = open(file.path(), Access::kReadOnly).value();
  EXPECT_FALSE(disk->properties().can_discard);
  std::string data(512, 'x');
  EXPECT_EQ(transfer(*disk, Operation::kWrite, 0, data), Status::kFailed);
  for (const Operation operation : {Operation::kDiscard, Operation::kWriteZeroes, Operation::kUnmapZeroes})
    EXPECT_EQ(run(*disk, {.operation = operation, .size = 512}), Status::kFailed);
  EXPECT_EQ(run(*disk, {.operation = Operation::kFlush}), Status::kDone);
  EXPECT_EQ(transfer(*disk, Operation::kRead, 512, data), Status::kDone);
  EXPECT_EQ(data, before.substr(512, 512));
  EXPECT_EQ(file.content(), before);
}

TEST_P(DiskFile, WhatIsAbandonedFailsAndIsNotBegun) {
  const std::string before = pattern(1 << 20);
  const TemporaryFile file(before);
  const auto disk = open(file.path()).value();
  std::string data(1 << 20, 'x');
  std::string read(1 << 20, '?');
  const std::size_t reads = 128;
  const std::size_t count = 1000;
  for (std::size_t i = 0; i < count; ++i) {
    const std::array pieces = {piece_of(i < reads ? read : data, i * 512, 512)};
    const auto operation = i < reads ? Operation::kRead : Operation::kWrite;
    disk->submit({.tag = i, .operation = operation, .offset = i * 512, .size = 512, .pieces = pieces});
  }
  disk->abandon();
  for (const auto& [tag, status] : finish(*disk, count)) EXPECT_EQ(status, Status::kFailed) << tag;
  EXPECT_TRUE(disk->completed().empty());
  EXPECT_TRUE(file.content() == before);
  EXPECT_EQ(transfer(*disk, Operation::kWrite, 0, data), Status::kDone) << "what came later is served";
  EXPECT_TRUE(file.content() == data);
}

TEST_P(DiskFile, WhatIsAbandonedUnderWayCompletesOnce) {
  const std::string before = pattern(1 << 20);
  const TemporaryFile file(before);
  const auto disk = open(file.path()).value();
  std::string data(1 << 20, '?');
  for (int round = 0; round < 20; ++round) {
    for (std::size_t i = 0; i < 2048; ++i) {
      const std::array pieces = {piece_of(data, i * 512, 512)};
      disk->submit({.tag = i, .operation = Operation::kRead, .offset = i * 512, .size = 512, .pieces = pieces});
    }
    disk->commit();
    disk->abandon();
    EXPECT_EQ(finish(*disk, 2048).size(), 2048u);
    EXPECT_TRUE(disk->completed().empty());
  }
  EXPECT_EQ(transfer(*disk, Operation::kRead, 0, data), Status::kDone);
  EXPECT_TRUE(data == before);
}

TEST_P(DiskFile, WhatIsUnderWayEndsBeforeTheDiskDoes) {
  const TemporaryFile file(std::string(1 << 20, '\0'));
  const std::string expected = pattern(1 << 20);
  std::string data = expected;
  {
    const auto disk = open(file.path()).value();
    for (std::size_t i = 0; i < 2048; ++i) {
      const std::array pieces = {piece_of(data, i * 512, 512)};
      disk->submit({.tag = i, .operation = Operation::kWrite, .offset = i * 512, .size = 512, .pieces = pieces});
    }
    disk->commit();
  }
  data.assign(data.size(), 'x');  // nobody looks any more
  const std::string after = file.content();
  for (std::size_t i = 0; i < after.size(); i += 512) {
    const auto sector = std::string_view(after).substr(i, 512);
    EXPECT_TRUE(sector == std::string_view(expected).substr(i, 512) || sector == std::string(512, '\0')) << i;
  }
  EXPECT_TRUE(file.content() == after);
}

TEST_P(DiskFile, WhatCompletedSurvivesTheEndOfTheProcess) {
  const std::string data = pattern(1 << 20);
  const TemporaryFile file(std::string(data.size(), '\0'));
  const pid_t child = ::fork();
  if (child == 0) {
    const auto disk = open(file.path()).value();
    std::string copy = data;
    const bool written = transfer(*disk, Operation::kWrite, 0, copy) == Status::kDone &&
                         run(*disk, {.operation = Operation::kFlush}) == Status::kDone;
    ::kill(::getpid(), written ? SIGKILL : SIGABRT);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_TRUE(file.content() == data);
}

TEST_P(DiskFile, OneWriterOrManyReaders) {
  const TemporaryFile file(pattern(512));
  {
    const auto reader = open(file.path(), Access::kReadOnly).value();
    EXPECT_TRUE(open(file.path(), Access::kReadOnly)) << "readers share";
    EXPECT_THAT(refusal(file.path()), AllOf(HasSubstr(file.path()), HasSubstr("for reading"), HasSubstr(",ro")));
  }
  const auto writer = open(file.path()).value();
  EXPECT_EQ(open(file.path(), Access::kReadOnly).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(refusal(file.path()), AllOf(HasSubstr("this machine already has it"), HasSubstr("for writing")));
}

// Who has it may be making it longer: nothing is written before the lock is had.
TEST_P(DiskFile, ARefusedOpenLeavesTheFileAlone) {
  const TemporaryFile file(pattern(4096));
  const UniqueFd holder(::open(file.path().c_str(), O_RDWR | O_CLOEXEC));
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  ASSERT_EQ(::fcntl(holder.get(), F_OFD_SETLK, &lock), 0);
  const UniqueFd changes(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  ASSERT_GE(::inotify_add_watch(changes.get(), file.path().c_str(), IN_MODIFY), 0);

  const auto disk = open(file.path());
  ASSERT_FALSE(disk.has_value());
  EXPECT_EQ(disk.error().code(), ErrorCode::kAlreadyExists);
  std::array<char, 4096> events = {};
  EXPECT_EQ(::read(changes.get(), events.data(), events.size()), -1) << "the file was written to";
}

// io_uring may hold the open file for a moment longer than the disk lives; so does a duplicate of its descriptor.
TEST_P(DiskFile, TheLockEndsWithTheDiskWhoeverElseHoldsTheOpenFile) {
  const TemporaryFile file(pattern(4096));
  auto disk = open(file.path()).value();
  std::optional<UniqueFd> other;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    if (std::filesystem::read_symlink(entry.path(), ignored) == file.path())
      other.emplace(::dup(std::stoi(entry.path().filename())));
  }
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(refusal(file.path()).find("(it opened)"), std::string::npos);
  disk.reset();
  EXPECT_EQ(refusal(file.path()), "(it opened)");
}

TEST_P(DiskFile, TheRefusalNamesTheProcessThatHasIt) {
  const TemporaryFile file(pattern(512));
  std::array<int, 2> ready = {};
  ASSERT_EQ(::pipe(ready.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto disk = open(file.path());
    [[maybe_unused]] const auto told = ::write(ready[1], disk ? "y" : "n", 1);
    ::pause();
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_THAT(refusal(file.path()),
              AllOf(HasSubstr("in use by process " + std::to_string(child) + " ("), HasSubstr("for writing")));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(open(file.path())) << "its end gave it back";
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_P(DiskFile, ErrorsSayWhatWouldHelp) {
  EXPECT_THAT(refusal("/nonexistent/disk.img"), HasSubstr("/nonexistent/disk.img: No such file"));
  EXPECT_THAT(refusal("/tmp"), HasSubstr("directory"));
  EXPECT_THAT(refusal("/tmp", Access::kReadOnly), HasSubstr("neither a file nor a block device"));
  EXPECT_THAT(refusal("/dev/null"), HasSubstr("neither a file nor a block device"));
  const TemporaryFile empty;
  EXPECT_THAT(refusal(empty.path()), HasSubstr("truncate -s 1G " + empty.path()));
  const TemporaryFile odd(pattern(1000));
  EXPECT_THAT(refusal(odd.path()), AllOf(HasSubstr("1000 bytes"), HasSubstr("multiple of 512"), HasSubstr("1024")));
  const std::string pipe = "/tmp/keel-pipe-" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(refusal(pipe), HasSubstr("neither a file nor a block device"));
  ::unlink(pipe.c_str());
  // sysfs refuses to write there even to root.
  EXPECT_THAT(refusal("/sys/kernel/uevent_seqnum"), AllOf(HasSubstr("Permission denied"), HasSubstr(",ro")));
}

TEST_P(DiskFile, NoDescriptorReachesAChildProgram) {
  const TemporaryFile file(pattern(512));
  const auto disk = open(file.path()).value();
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone);
    const bool ours = target == file.path() || target.find("io_uring") != std::string::npos;
    EXPECT_TRUE(!ours || (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0) << target;
  }
}

}  // namespace
}  // namespace keel
