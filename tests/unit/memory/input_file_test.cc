// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/memory/input_file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include <gtest/gtest.h>

namespace keel {
namespace {

UniqueFd file_of(std::string_view text) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  return fd;
}

TEST(InputFile, ReadsByPosition) {
  const auto file = InputFile::from_fd(file_of("0123456789"), "digits").value();
  EXPECT_EQ(file.size(), 10u);
  EXPECT_EQ(file.name(), "digits");
  std::array<std::uint8_t, 3> bytes = {};
  for (int again = 0; again < 2; ++again) {
    ASSERT_TRUE(file.read_at(7, bytes).has_value());
    EXPECT_EQ(bytes, (std::array<std::uint8_t, 3>{'7', '8', '9'}));
  }
}

TEST(InputFile, BeyondItsEndIsAnErrorThatReadsNothing) {
  const auto file = InputFile::from_fd(file_of("0123456789"), "digits").value();
  std::array<std::uint8_t, 3> bytes = {'x', 'x', 'x'};
  for (const std::uint64_t offset : {std::uint64_t{8}, std::uint64_t{11}, ~std::uint64_t{0}}) {
    const auto read = file.read_at(offset, bytes);
    ASSERT_FALSE(read.has_value()) << offset;
    EXPECT_EQ(read.error().code(), ErrorCode::kOutOfBounds);
    EXPECT_EQ(bytes[0], 'x');
  }
  EXPECT_EQ(file.read_at(8, bytes).error().message(),
            "digits: cut short: 0x3 bytes at 0x8 are wanted, and the file has 0xa in all");
  EXPECT_TRUE(file.read_at(10, {}).has_value());
}

TEST(InputFile, AFileThatShrinksIsAnError) {
  UniqueFd fd = file_of("0123456789");
  const UniqueFd writer(::dup(fd.get()));
  const auto file = InputFile::from_fd(std::move(fd), "digits").value();
  ASSERT_EQ(::ftruncate(writer.get(), 5), 0);
  std::array<std::uint8_t, 10> bytes = {};
  EXPECT_EQ(file.read_at(0, bytes).error().message(), "digits: became shorter while it was read");
}

TEST(InputFile, OnlyRegularFilesOpenAndNothingIsWaitedFor) {
  EXPECT_EQ(InputFile::open("/").error().message(), "/: this is a directory, where a regular file is needed");
  EXPECT_EQ(InputFile::open("/dev/null").error().message(),
            "/dev/null: this is a device, where a regular file is needed");
  EXPECT_EQ(InputFile::open("/nonexistent").error().code(), ErrorCode::kNotFound);

  std::string folder = ::testing::TempDir() + "keel-input-file-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string pipe = folder + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(InputFile::open(pipe).error().message(), pipe + ": this is a pipe, where a regular file is needed");
  ::unlink(pipe.c_str());
  ::rmdir(folder.c_str());
}

}  // namespace
}  // namespace keel
