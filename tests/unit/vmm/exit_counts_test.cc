// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/exit_counts.h"

#include <gtest/gtest.h>

namespace keel {
namespace {

TEST(ExitCounts, AddUpByKind) {
  ExitCounts first, second;
  first.by_kind[static_cast<std::size_t>(ExitKind::kPioRead)] = 3;
  second.by_kind[static_cast<std::size_t>(ExitKind::kPioRead)] = 4;
  second.by_kind[static_cast<std::size_t>(ExitKind::kFailure)] = 1;
  first += second;
  EXPECT_EQ(first[ExitKind::kPioRead], 7u);
  EXPECT_EQ(first[ExitKind::kFailure], 1u);
  EXPECT_EQ(first[ExitKind::kHalt], 0u);
  EXPECT_EQ(first.total(), 8u);
}

TEST(ExitCounts, EveryKindHasAName) {
  for (const std::string_view name : kExitKindNames) EXPECT_FALSE(name.empty());
  EXPECT_EQ(kExitKindNames[static_cast<std::size_t>(ExitKind::kPioRead)], "PIO read");
  EXPECT_EQ(kExitKindNames[static_cast<std::size_t>(ExitKind::kFailure)], "failure");
}

}  // namespace
}  // namespace keel
