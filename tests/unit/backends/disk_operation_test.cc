// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/backends/disk_operation.h"

#include <cerrno>
#include <deque>
#include <vector>

#include <gtest/gtest.h>

#include "support/heap_in_use.h"

namespace keel {
namespace {

using Call = DiskStep::Call;
using Status = BlockCompletion::Status;
constexpr DiskProperties kDisk = {.size = 4 << 20};
constexpr BlockRequest kZeroes = {.tag = 5, .operation = BlockRequest::Operation::kWriteZeroes, .size = 2 << 20};

TEST(DiskOperation, ZeroesThatTheFileSystemCannotMakeAreWritten) {
  DiskOperation operation;
  operation.start(kZeroes, kDisk);
  EXPECT_EQ(operation.next().value().call, Call::kAllocate);
  operation.result(-EOPNOTSUPP);
  for (int half = 0; half < 2; ++half) {
    EXPECT_EQ(operation.next().value().call, Call::kWrite);
    operation.result(1 << 20);
  }
  EXPECT_FALSE(operation.next().has_value());
  EXPECT_EQ(operation.completion().status, Status::kDone);
}

TEST(DiskOperation, AbandonedItTakesNoFurtherStep) {
  DiskOperation operation;
  operation.start(kZeroes, kDisk);
  ASSERT_TRUE(operation.next().has_value());
  operation.result(-EOPNOTSUPP);
  ASSERT_TRUE(operation.next().has_value());
  operation.abandon();
  operation.result(1 << 20);
  EXPECT_FALSE(operation.next().has_value());
  EXPECT_EQ(operation.completion().tag, 5u);
  EXPECT_EQ(operation.completion().status, Status::kFailed);

  operation.start(kZeroes, kDisk);
  EXPECT_TRUE(operation.next().has_value()) << "what is started later is another";
}

TEST(DiskOperation, AbandonedWithItsLastStepUnderWayItIsDone) {
  DiskOperation operation;
  operation.start(kZeroes, kDisk);
  ASSERT_TRUE(operation.next().has_value());
  operation.abandon();
  operation.result(0);
  EXPECT_FALSE(operation.next().has_value());
  EXPECT_EQ(operation.completion().status, Status::kDone);
}

TEST(DiskOperation, LongListsAreNotKept) {
  std::uint8_t byte = 0;
  const std::vector<iovec> pieces(500, {.iov_base = &byte, .iov_len = 1});
  std::deque<DiskOperation> operations(1000);
  const std::size_t before = testing::heap_in_use();
  for (DiskOperation& operation : operations) {
    operation.start({.operation = BlockRequest::Operation::kRead, .size = pieces.size(), .pieces = pieces}, kDisk);
    ASSERT_EQ(operation.next()->buffers.size(), 500u);
    operation.result(500);
    ASSERT_FALSE(operation.next().has_value());
  }
  EXPECT_LT(testing::heap_in_use(), before + (1 << 20)) << "8 MB, where every operation keeps its list";
}

}  // namespace
}  // namespace keel
