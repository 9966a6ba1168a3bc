// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <algorithm>
#include <vector>

#include "src/arch/x86_64/kernel_ram.h"
#include "keel/arch/x86_64/elf_spec.h"
#include "keel/arch/x86_64/kernel_image.h"
#include "keel/base/little_endian.h"
#include "keel/base/try.h"

namespace keel::x86_64 {
namespace {

// A kernel has five or so.
constexpr std::uint16_t kMaxProgramHeaders = 128;

// What a bzImage's header would say of itself, and what the kernel's own sources have for it.
constexpr std::uint32_t kInitrdAddrMax = 0x7fff'ffff;
constexpr std::uint32_t kCommandLineSize = 2047;

struct Segment {
  GuestRange range;
  std::uint64_t file_offset;
  std::uint64_t file_size;
};

using HeaderBytes = std::array<std::uint8_t, elf::kHeaderSize>;

Result<HeaderBytes> read_header(const InputFile& file) {
  HeaderBytes header = {};
  KEEL_TRY_VOID(file.read_at(0, header));
  if (load_le_at<std::uint32_t>(header, 0) != elf::kMagic)
    return fail(ErrorCode::kUnsupported, "{}: not an ELF file", file.name());
  if (header[elf::kClass] == elf::kClass32)
    return fail(ErrorCode::kUnsupported, "{}: a 32-bit ELF file; a kernel for x86-64 is needed", file.name());
  if (header[elf::kClass] != elf::kClass64 || header[elf::kData] != elf::kLittleEndian) {
    return fail(ErrorCode::kUnsupported, "{}: an ELF file of class {} and byte order {}; x86-64 has 2 and 1",
                file.name(), header[elf::kClass], header[elf::kData]);
  }
  if (const auto machine = load_le_at<std::uint16_t>(header, elf::kMachine); machine != elf::kMachineX86_64) {
    return fail(ErrorCode::kUnsupported, "{}: an ELF file for machine {}{}; x86-64 is {}", file.name(), machine,
                machine == 183 ? " (arm64)" : "", elf::kMachineX86_64);
  }
  if (const auto type = load_le_at<std::uint16_t>(header, elf::kType); type != elf::kExecutable) {
    return fail(ErrorCode::kUnsupported,
                "{}: an ELF file of type {}, as an object, a module or a library is; a kernel is an executable ({})",
                file.name(), type, elf::kExecutable);
  }
  return header;
}

Result<std::vector<Segment>> read_segments(const InputFile& file, const HeaderBytes& header) {
  const auto count = load_le_at<std::uint16_t>(header, elf::kProgramHeaderCount);
  const auto size = load_le_at<std::uint16_t>(header, elf::kProgramHeaderSize);
  const auto table = load_le_at<std::uint64_t>(header, elf::kProgramHeaderOffset);
  if (size != elf::program_header::kSize || count > kMaxProgramHeaders) {
    return fail(ErrorCode::kInvalidArgument, "{}: {} program headers of {} bytes; a kernel has at most {} of {}",
                file.name(), count, size, kMaxProgramHeaders, elf::program_header::kSize);
  }
  std::vector<std::uint8_t> bytes(std::size_t{count} * size);
  KEEL_TRY_VOID(file.read_at(table, bytes));

  std::vector<Segment> segments;
  for (std::size_t at = 0; at < bytes.size(); at += size) {
    const auto entry = std::span(bytes).subspan(at, size);
    const auto memory_size = load_le_at<std::uint64_t>(entry, elf::program_header::kMemorySize);
    const auto file_size = load_le_at<std::uint64_t>(entry, elf::program_header::kFileSize);
    if (load_le_at<std::uint32_t>(entry, elf::program_header::kType) != elf::program_header::kLoad) continue;
    if (memory_size == 0) continue;
    if (file_size > memory_size) {
      return fail(ErrorCode::kInvalidArgument, "{}: program header {} has {:#x} bytes in the file for {:#x} of memory",
                  file.name(), at / size, file_size, memory_size);
    }
    const GuestAddress address(load_le_at<std::uint64_t>(entry, elf::program_header::kPhysicalAddress));
    KEEL_TRY(const GuestRange range, kernel_range(file, address, memory_size));
    segments.push_back({range, load_le_at<std::uint64_t>(entry, elf::program_header::kOffset), file_size});
  }
  return segments;
}

// From the first segment's start to the last one's end: what lies between is not for an initrd either.
Result<GuestRange> hull(const InputFile& file, std::span<const Segment> segments) {
  if (segments.empty()) return fail(ErrorCode::kInvalidArgument, "{}: an ELF file with nothing to load", file.name());
  GuestAddress first = segments.front().range.first();
  GuestAddress last = segments.front().range.last();
  for (const Segment& segment : segments) {
    first = std::min(first, segment.range.first());
    last = std::max(last, segment.range.last());
  }
  return GuestRange::from_bounds(first, last);
}

// The fields of a setup header that a running kernel looks at.
SetupHeader make_setup_header() {
  SetupHeader header = {};
  const auto field = [&](std::size_t offset, auto value) {
    store_le_at(header, offset - boot_params::kSetupSects, value);
  };
  field(boot_params::kBootFlag, boot_params::kBootFlagMagic);
  field(boot_params::kHeader, boot_params::kHeaderMagic);
  field(boot_params::kVersion, boot_params::kCurrentVersion);
  field(boot_params::kInitrdAddrMax, kInitrdAddrMax);
  field(boot_params::kCmdlineSize, kCommandLineSize);
  return header;
}

}  // namespace

Result<KernelImage> load_elf_kernel(const GuestMemory& memory, const InputFile& file) {
  KEEL_TRY(const HeaderBytes header, read_header(file));
  KEEL_TRY(const std::vector<Segment> segments, read_segments(file, header));
  KEEL_TRY(const GuestRange range, hull(file, segments));
  const GuestAddress entry(load_le_at<std::uint64_t>(header, elf::kEntry));
  if (std::ranges::none_of(segments, [&](const Segment& segment) { return segment.range.contains(entry); })) {
    return fail(ErrorCode::kInvalidArgument, "{}: its entry {} is in none of its segments, which are at {}",
                file.name(), entry, range);
  }
  KEEL_TRY(const std::span<std::uint8_t> ram, kernel_ram(memory, file, range));
  for (const Segment& segment : segments) {
    const std::uint64_t offset = segment.range.first().offset_from(range.first());
    KEEL_TRY_VOID(file.read_at(segment.file_offset, ram.subspan(offset, segment.file_size)));
  }
  return KernelImage{.range = range,
                     .entry = entry,
                     .initrd_last = GuestAddress(kInitrdAddrMax),
                     .command_line_size = kCommandLineSize,
                     .setup_header = make_setup_header()};
}

}  // namespace keel::x86_64
