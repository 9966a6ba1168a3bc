// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/base/error.h"

#include <cerrno>
#include <system_error>

namespace keel {

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid argument";
    case ErrorCode::kInvalidState: return "invalid state";
    case ErrorCode::kOutOfBounds: return "out of bounds";
    case ErrorCode::kOverlap: return "overlap";
    case ErrorCode::kAlreadyExists: return "already exists";
    case ErrorCode::kNotFound: return "not found";
    case ErrorCode::kExhausted: return "exhausted";
    case ErrorCode::kPermissionDenied: return "permission denied";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kIo: return "i/o error";
  }
  return "unknown";
}

Error system_error(int error_number, std::string_view what) {
  ErrorCode code = ErrorCode::kIo;
  if (error_number == EACCES || error_number == EPERM) code = ErrorCode::kPermissionDenied;
  if (error_number == ENOENT) code = ErrorCode::kNotFound;
  return {code, fmt::format("{}: {}", what, std::generic_category().message(error_number))};
}

}  // namespace keel
