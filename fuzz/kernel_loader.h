// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "unit/arch/x86_64/kernel_files.h"
#include "keel/arch/x86_64/kernel_image.h"
#include "keel/arch/x86_64/linux_boot.h"
#include "keel/arch/x86_64/memory_map.h"
#include "keel/base/check.h"
#include "keel/memory/guest_memory.h"

// What the two kernel loaders' fuzzers share.
namespace keel::x86_64::testing {

// An input is a whole file where its first byte is odd, and else a valid file with bytes changed: two bytes say which,
// one says to what.
inline std::vector<std::uint8_t> fuzzed_file(std::span<const std::uint8_t> input, const FileBytes& valid) {
  if (input.empty()) return {};
  const auto rest = input.subspan(1);
  if (input[0] % 2 == 1) return {rest.begin(), rest.end()};
  std::vector<std::uint8_t> bytes = valid.bytes;
  for (std::size_t at = 0; at + 3 <= rest.size(); at += 3)
    bytes[load_le_at<std::uint16_t>(rest, at) % bytes.size()] = rest[at + 2];
  return bytes;
}

// What must hold of a kernel that was loaded from anything at all, and of what is then put beside it.
inline void check_loaded(const GuestMemory& memory, const KernelImage& image) {
  check(memory.try_slice(image.range.first(), image.range.size()).has_value(), "the kernel is in RAM");
  check(image.range.first() >= kExtendedMemory, "the kernel is not where the loader keeps its own");
  check(image.range.contains(image.entry), "the kernel is entered where it is");

  const InputFile initrd_file = as_file("an initrd", "initrd");
  const auto initrd = load_initrd(memory, initrd_file, image);
  if (initrd) {
    check(!initrd->overlaps(image.range), "the initrd leaves the kernel alone");
    check(initrd->first() >= kExtendedMemory && initrd->last() <= image.initrd_last, "the initrd is where it may be");
  }
  const auto command_line = write_command_line(memory, "quiet", image);
  check(command_line.has_value() == (image.command_line_size >= 5), "the command line is written if it may be");
  check(write_zero_page(memory, image, initrd ? std::optional(*initrd) : std::nullopt, std::nullopt).has_value(),
        "the zero page is written");
}

// Loads what `load` makes of the input. An error is as good as a kernel; its message has to exist.
template <typename Load>
void fuzz_loader(std::span<const std::uint8_t> input, const FileBytes& valid, Load load) {
  static const GuestMemory memory = GuestMemory::create(ram_ranges(64 * kMiB)).value();
  const auto image = load(memory, as_file(fuzzed_file(input, valid)));
  if (image) {
    check_loaded(memory, *image);
  } else {
    check(image.error().message().starts_with("vmlinuz: "), "an error names the file");
  }
}

}  // namespace keel::x86_64::testing
