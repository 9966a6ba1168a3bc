// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/error.h"

#include <cerrno>

#include <gtest/gtest.h>

#include "keel/base/try.h"

namespace keel {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return fail(ErrorCode::kInvalidArgument, "{} is odd", value);
  return value / 2;
}

Result<int> quarter(int value) {
  KEEL_TRY(const int once, half(value));
  KEEL_TRY(const int twice, half(once));
  return twice;
}

Result<void> must_be_even(int value) {
  KEEL_TRY_VOID(half(value));
  return {};
}

TEST(Error, TravelsThroughTry) {
  EXPECT_EQ(quarter(8).value(), 2);
  ASSERT_FALSE(quarter(6).has_value());
  EXPECT_EQ(quarter(6).error().message(), "3 is odd");
  EXPECT_TRUE(must_be_even(2).has_value());
  EXPECT_EQ(must_be_even(1).error().code(), ErrorCode::kInvalidArgument);
}

TEST(Error, GainsContextAndKeepsItsCode) {
  const Error outer = half(1).error().within("reading");
  EXPECT_EQ(outer.message(), "reading: 1 is odd");
  EXPECT_EQ(outer.code(), ErrorCode::kInvalidArgument);
}

TEST(Error, SystemErrorsSayWhatAndWhy) {
  EXPECT_EQ(system_error(EACCES, "open /dev/kvm").message(), "open /dev/kvm: Permission denied");
  EXPECT_EQ(system_error(EACCES, "").code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(system_error(ENOENT, "").code(), ErrorCode::kNotFound);
  EXPECT_EQ(system_error(EIO, "").code(), ErrorCode::kIo);
}

TEST(Error, EveryCodeHasItsName) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kIo); ++code) {
    EXPECT_NE(to_string(static_cast<ErrorCode>(code)), "unknown");
  }
}

}  // namespace
}  // namespace keel
