// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "keel/base/error.h"
#include "keel/base/unique_fd.h"

namespace keel {

// A regular file to be read from: a kernel or an initrd on its way into guest memory, without a copy in between.
// Every error names the file. Callable from several threads at once. Move-only.
class InputFile {
 public:
  // Errors: those of open(2), and kInvalidArgument for what is not a regular file (a pipe is never waited for).
  [[nodiscard]] static Result<InputFile> open(const std::string& path);
  // `name` is for messages. The file is read by position: the descriptor's own offset neither matters nor moves.
  [[nodiscard]] static Result<InputFile> from_fd(UniqueFd fd, std::string name);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  // In bytes, when it was opened.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  // Fills `bytes` from the file's `offset` on. Errors: kOutOfBounds where the file is shorter than that (nothing is
  // read if it was so from the start), kIo.
  [[nodiscard]] Result<void> read_at(std::uint64_t offset, std::span<std::uint8_t> bytes) const;

 private:
  InputFile(UniqueFd fd, std::string name, std::uint64_t size) noexcept
      : fd_(std::move(fd)), name_(std::move(name)), size_(size) {}

  UniqueFd fd_;
  std::string name_;
  std::uint64_t size_;
};

}  // namespace keel
