// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/backends/disk_operation.h"

#include <cerrno>

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace keel
