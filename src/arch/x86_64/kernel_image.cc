// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/kernel_image.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include <fmt/ranges.h>

#include "keel/arch/x86_64/elf_spec.h"
#include "keel/base/little_endian.h"
#include "keel/base/try.h"

namespace keel::x86_64 {
namespace {

// Up to the end of the magic of a setup header.
constexpr std::size_t kProbeSize = boot_params::kHeader + 4;

bool starts_with(std::span<const std::uint8_t> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

struct Kind {
  std::string_view magic;
  std::string_view what;
};

constexpr Kind kKinds[] = {
    {"\x1f\x8b", "gzip data; unpack it first"},
    {"\xfd"
     "7zXZ",
     "xz data; unpack it first"},
    {"\x28\xb5\x2f\xfd", "zstd data; unpack it first"},
    {"\x02\x21\x4c\x18", "lz4 data; unpack it first"},
    {"\x04\x22\x4d\x18", "lz4 data; unpack it first"},
    {"BZh", "bzip2 data; unpack it first"},
    {"070701", "a cpio archive, as an initrd is"},
    {"!<arch>", "an ar archive, as a Debian package is"},
    {"MZ", "a PE program without a Linux setup header"},
};

constexpr std::size_t kExcerpt = 16;

bool is_text(std::uint8_t byte) {
  return (byte >= ' ' && byte <= '~') || byte == '\n' || byte == '\r' || byte == '\t';
}

std::string describe(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return "an empty file";
  constexpr std::size_t kArm64Magic = 56;  // Documentation/arm64/booting.rst: in the header of an arm64 Image
  if (bytes.size() > kArm64Magic && starts_with(bytes.subspan(kArm64Magic), "ARM\x64")) return "a kernel for arm64";
  for (const Kind& kind : kKinds) {
    if (starts_with(bytes, kind.magic)) return std::string(kind.what);
  }
  const auto excerpt = bytes.first(std::min(bytes.size(), kExcerpt));
  if (std::ranges::all_of(bytes, is_text)) {
    const auto line = std::string_view(reinterpret_cast<const char*>(excerpt.data()), excerpt.size());
    return fmt::format("text that starts with '{}'", line.substr(0, line.find_first_of("\r\n\t")));
  }
  return fmt::format("data that starts with {:02x}", fmt::join(excerpt, " "));
}

}  // namespace

Result<KernelImage> load_kernel(const GuestMemory& memory, const InputFile& file) {
  std::array<std::uint8_t, kProbeSize> buffer = {};
  const std::span probe = std::span(buffer).first(std::min<std::uint64_t>(file.size(), kProbeSize));
  KEEL_TRY_VOID(file.read_at(0, probe));

  if (load_le_at<std::uint32_t>(buffer, boot_params::kHeader) == boot_params::kHeaderMagic)
    return load_bzimage(memory, file);
  if (load_le_at<std::uint32_t>(buffer, 0) == elf::kMagic) return load_elf_kernel(memory, file);
  return fail(ErrorCode::kUnsupported, "{}: not a Linux kernel (a bzImage, or an ELF vmlinux, for x86-64), but {}",
              file.name(), describe(probe));
}

}  // namespace keel::x86_64
