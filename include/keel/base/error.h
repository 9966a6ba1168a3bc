// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace keel {

// What kind of thing went wrong, for code that reacts. People read Error::message().
enum class ErrorCode : std::uint8_t {
  kInvalidArgument,   // the caller's value can never be right here
  kInvalidState,      // right value, wrong moment
  kOutOfBounds,       // outside a range, memory or table
  kOverlap,           // two ranges want the same address
  kAlreadyExists,     // a name, id or resource is taken
  kNotFound,          // nothing is there under that name, id or address
  kExhausted,         // the pool is empty or too fragmented
  kPermissionDenied,  // the host refuses this user
  kUnsupported,       // the host, kernel or hardware cannot do it
  kIo,                // a system call failed for another reason
};

std::string_view to_string(ErrorCode code) noexcept;

// An error is a value: a code to branch on and a message that names the parties, the numbers and, where there is
// one, the way out. Never thrown. Copying allocates; making one is for the path that has already failed.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) noexcept : code_(code), message_(std::move(message)) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }

  // The same error seen from further out: "context: message".
  [[nodiscard]] Error within(std::string_view context) const {
    return {code_, fmt::format("{}: {}", context, message_)};
  }

 private:
  ErrorCode code_;
  std::string message_;
};

template <typename T>
using Result = std::expected<T, Error>;

// return fail(ErrorCode::kOverlap, "pio {} overlaps {}", a, b);
template <typename... Args>
[[nodiscard]] std::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error(code, fmt::format(format, std::forward<Args>(args)...)));
}

// A failed system call: "open /dev/kvm: Permission denied". `error_number` is an errno value; EACCES and EPERM
// become kPermissionDenied, ENOENT kNotFound, the rest kIo.
[[nodiscard]] Error system_error(int error_number, std::string_view what);

}  // namespace keel
