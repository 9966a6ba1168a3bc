// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <algorithm>

#include "src/arch/x86_64/kernel_ram.h"
#include "keel/arch/x86_64/kernel_image.h"
#include "keel/base/little_endian.h"
#include "keel/base/try.h"

namespace keel::x86_64 {
namespace {

constexpr std::uint64_t kSectorSize = 512;
constexpr std::uint64_t kParagraphSize = 16;
constexpr std::uint64_t kDefaultSetupSects = 4;
constexpr std::uint64_t kEntry64Offset = 0x200;

// The file's bytes up to where the longest setup header ends, so that fields have their documented offsets.
using HeaderBytes = std::array<std::uint8_t, boot_params::kSetupHeaderMaxEnd>;

Result<HeaderBytes> read_header(const InputFile& file) {
  HeaderBytes bytes = {};
  // Whatever the header's own length, a kernel's file goes on beyond this.
  KEEL_TRY_VOID(file.read_at(0, bytes));
  const auto flag = load_le_at<std::uint16_t>(bytes, boot_params::kBootFlag);
  const auto magic = load_le_at<std::uint32_t>(bytes, boot_params::kHeader);
  if (flag != boot_params::kBootFlagMagic || magic != boot_params::kHeaderMagic)
    return fail(ErrorCode::kUnsupported, "{}: not a bzImage: it has no Linux setup header", file.name());

  const auto version = load_le_at<std::uint16_t>(bytes, boot_params::kVersion);
  if (version < boot_params::kMinVersion) {
    return fail(ErrorCode::kUnsupported, "{}: speaks version {}.{} of the boot protocol; 2.12 (Linux 3.8) is needed",
                file.name(), version >> 8, version & 0xff);
  }
  if ((load_le_at<std::uint16_t>(bytes, boot_params::kXloadflags) & boot_params::kXlfKernel64) == 0)
    return fail(ErrorCode::kUnsupported, "{}: a 32-bit kernel; one for x86-64 is needed", file.name());
  if ((bytes[boot_params::kLoadflags] & boot_params::kLoadedHigh) == 0)
    return fail(ErrorCode::kUnsupported, "{}: a zImage, for loading below 1 MiB; a bzImage is needed", file.name());

  // The jump at the header's start leads just past its end. What lies behind is code, and not for the zero page.
  const std::size_t end = boot_params::kHeader + bytes[boot_params::kJump + 1];
  if (end < boot_params::kSetupHeaderMinEnd) {
    return fail(ErrorCode::kInvalidArgument, "{}: its setup header ends at {:#x}; version {}.{} goes to {:#x}",
                file.name(), end, version >> 8, version & 0xff, boot_params::kSetupHeaderMinEnd);
  }
  if (end < bytes.size()) std::ranges::fill(std::span(bytes).subspan(end), std::uint8_t{0});
  return bytes;
}

struct Payload {
  std::uint64_t offset;
  std::uint64_t size;
};

// The protected-mode code in the file. Its size is in whole paragraphs; the file may end within the last one.
Result<Payload> find_payload(const InputFile& file, const HeaderBytes& header) {
  const std::uint64_t sectors = header[boot_params::kSetupSects];
  const std::uint64_t offset = ((sectors == 0 ? kDefaultSetupSects : sectors) + 1) * kSectorSize;
  const std::uint64_t size = load_le_at<std::uint32_t>(header, boot_params::kSyssize) * kParagraphSize;
  const std::uint64_t rest = file.size() - std::min(file.size(), offset);
  if (rest + kParagraphSize <= size) {
    return fail(ErrorCode::kOutOfBounds, "{}: cut short: its kernel is {:#x} bytes at {:#x}, and the file has {:#x}",
                file.name(), size, offset, file.size());
  }
  if (size <= kEntry64Offset) {
    return fail(ErrorCode::kInvalidArgument, "{}: its kernel of {:#x} bytes ends before the 64-bit entry at {:#x}",
                file.name(), size, kEntry64Offset);
  }
  return Payload{.offset = offset, .size = std::min(size, rest)};
}

}  // namespace

Result<KernelImage> load_bzimage(const GuestMemory& memory, const InputFile& file) {
  KEEL_TRY(const HeaderBytes header, read_header(file));
  KEEL_TRY(const Payload payload, find_payload(file, header));
  const GuestAddress start(load_le_at<std::uint64_t>(header, boot_params::kPrefAddress));
  const std::uint64_t init_size = load_le_at<std::uint32_t>(header, boot_params::kInitSize);
  KEEL_TRY(const GuestRange range, kernel_range(file, start, std::max(init_size, payload.size)));
  KEEL_TRY(const std::span<std::uint8_t> ram, kernel_ram(memory, file, range));
  KEEL_TRY_VOID(file.read_at(payload.offset, ram.first(payload.size)));

  KernelImage image = {.range = range,
                       .entry = GuestAddress(start.value() + kEntry64Offset),
                       .initrd_last = GuestAddress(load_le_at<std::uint32_t>(header, boot_params::kInitrdAddrMax)),
                       .command_line_size = load_le_at<std::uint32_t>(header, boot_params::kCmdlineSize),
                       .setup_header = {}};
  std::ranges::copy(std::span(header).subspan(boot_params::kSetupSects), image.setup_header.begin());
  return image;
}

}  // namespace keel::x86_64
