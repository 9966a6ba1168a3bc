// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <utility>

#include "keel/base/error.h"

// KEEL_TRY(auto fd, open_it());  declares fd from the value, or returns the error from the enclosing function.
// KEEL_TRY_VOID(check_it());     the same where there is no value.
#define KEEL_TRY(declaration, expression) KEEL_TRY_IMPL_(KEEL_CONCAT_(keel_try_, __LINE__), declaration, expression)
#define KEEL_TRY_VOID(expression)                                 \
  do {                                                            \
    if (auto keel_try_result = (expression); !keel_try_result)    \
      return std::unexpected(std::move(keel_try_result).error()); \
  } while (false)

#define KEEL_CONCAT_IMPL_(a, b) a##b
#define KEEL_CONCAT_(a, b) KEEL_CONCAT_IMPL_(a, b)
#define KEEL_TRY_IMPL_(result, declaration, expression)           \
  auto result = (expression);                                     \
  if (!result) return std::unexpected(std::move(result).error()); \
  declaration = std::move(*result)
