// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/kernel_cmdline.h"

#include <algorithm>
#include <string>

#include "keel/base/try.h"

namespace keel {
namespace {

bool is_printable(char c) {
  return c >= ' ' && c <= '~';
}

Result<void> check_printable(std::string_view what, std::string_view text) {
  const auto wrong = std::ranges::find_if_not(text, is_printable);
  if (wrong == text.end()) return {};
  return fail(ErrorCode::kInvalidArgument, "the {} has the byte {:#04x}; a kernel command line is printable ASCII",
              what, static_cast<unsigned char>(*wrong));
}

Result<void> check_word(std::string_view what, std::string_view word) {
  KEEL_TRY_VOID(check_printable(what, word));
  if (word.empty()) return fail(ErrorCode::kInvalidArgument, "the {} is empty", what);
  if (word.contains(' ')) return fail(ErrorCode::kInvalidArgument, "the {} \"{}\" has a blank", what, word);
  return {};
}

// As much of it as a message has room for.
std::string shortened(std::string_view words) {
  constexpr std::size_t kMost = 60;
  return words.size() <= kMost ? std::string(words) : fmt::format("{}…", words.substr(0, kMost));
}

}  // namespace

Result<void> KernelCmdline::insert(std::string_view key, std::string_view value) {
  KEEL_TRY_VOID(check_word("key", key));
  if (key.contains('=')) {
    return fail(ErrorCode::kInvalidArgument, "the key \"{}\" has a '=', so the kernel would take \"{}\" for the key",
                key, key.substr(0, key.find('=')));
  }
  KEEL_TRY_VOID(check_word(fmt::format("value of \"{}\"", key), value));
  return add(fmt::format("{}={}", key, value));
}

Result<void> KernelCmdline::append(std::string_view words) {
  KEEL_TRY_VOID(check_printable("text", words));
  return words.empty() ? Result<void>() : add(words);
}

Result<void> KernelCmdline::add(std::string_view words) {
  const std::size_t blank = text_.empty() ? 0 : 1;
  if (words.size() + blank > capacity_ - text_.size()) {
    return fail(ErrorCode::kExhausted, "\"{}\" does not fit: {} of {} bytes of the kernel command line are taken",
                shortened(words), text_.size(), capacity_);
  }
  if (blank != 0) text_ += ' ';
  text_ += words;
  return {};
}

}  // namespace keel
