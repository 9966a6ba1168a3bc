// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <string>
#include <vector>

#include "keel/base/little_endian.h"

namespace keel::testing {

// An ELF "kernel" of a few instructions, which run in 64-bit mode at 16 MiB: what the keel command takes for a vmlinux.
inline std::string tiny_kernel(std::initializer_list<std::uint8_t> code) {
  constexpr std::uint64_t kLoadAddress = 0x100'0000;
  constexpr std::size_t kCodeOffset = 0x1000;
  std::vector<std::uint8_t> file(kCodeOffset + 0x1000, 0);
  const std::uint8_t identification[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
  std::copy(std::begin(identification), std::end(identification), file.begin());
  store_le_at<std::uint16_t>(file, 16, 2);             // executable
  store_le_at<std::uint16_t>(file, 18, 62);            // x86-64
  store_le_at<std::uint32_t>(file, 20, 1);             // version
  store_le_at<std::uint64_t>(file, 24, kLoadAddress);  // entry
  store_le_at<std::uint64_t>(file, 32, 64);            // program headers
  store_le_at<std::uint16_t>(file, 52, 64);            // size of this header
  store_le_at<std::uint16_t>(file, 54, 56);            // size of a program header
  store_le_at<std::uint16_t>(file, 56, 1);             // their number
  store_le_at<std::uint32_t>(file, 64, 1);             // PT_LOAD
  store_le_at<std::uint32_t>(file, 68, 7);
  store_le_at<std::uint64_t>(file, 72, kCodeOffset);
  store_le_at<std::uint64_t>(file, 80, kLoadAddress);
  store_le_at<std::uint64_t>(file, 88, kLoadAddress);
  store_le_at<std::uint64_t>(file, 96, 0x1000);
  store_le_at<std::uint64_t>(file, 104, 0x1000);
  store_le_at<std::uint64_t>(file, 112, 0x1000);
  std::copy(code.begin(), code.end(), file.begin() + kCodeOffset);
  return {file.begin(), file.end()};
}

}  // namespace keel::testing
