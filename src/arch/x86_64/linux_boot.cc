// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/linux_boot.h"

#include <algorithm>

#include "src/arch/x86_64/kernel_ram.h"
#include "keel/arch/x86_64/e820.h"
#include "keel/arch/x86_64/memory_map.h"
#include "keel/base/little_endian.h"
#include "keel/base/try.h"

namespace keel::x86_64 {
namespace {

constexpr std::uint64_t kPageSize = 0x1000;

constexpr std::uint64_t page_down(std::uint64_t value) {
  return value / kPageSize * kPageSize;
}
constexpr std::uint64_t page_up(std::uint64_t value) {
  return page_down(value + kPageSize - 1);
}

// The RAM from the kernel's end to the end of its region, or to where the kernel allows no initrd any more.
std::uint64_t initrd_end(const GuestMemory& memory, const KernelImage& kernel) {
  std::uint64_t ram_last = kernel.range.last().value();
  for (const MemoryRegion& region : memory.regions()) {
    if (region.range.contains(kernel.range)) ram_last = std::min(region.range.last(), kLowRam.last()).value();
  }
  return std::min(ram_last, kernel.initrd_last.value()) + 1;
}

std::unexpected<Error> initrd_does_not_fit(const GuestMemory& memory, const InputFile& file,
                                           const KernelImage& kernel) {
  const std::uint64_t start = page_up(kernel.range.last().value() + 1);
  const std::uint64_t last_allowed = std::min(kLowRam.last(), kernel.initrd_last).value();
  const bool could_fit = start <= last_allowed && file.size() - 1 <= last_allowed - start;
  const std::string remedy =
      could_fit ? fmt::format("{} MiB would do", mib_up_to(GuestAddress(start + page_up(file.size()) - 1)))
                : fmt::format("the kernel takes an initrd up to {:#x} only", last_allowed);
  return fail(ErrorCode::kExhausted, "{}: an initrd of {:#x} bytes does not fit above the kernel at {} in {} MiB; {}",
              file.name(), file.size(), kernel.range, memory.total_size() / kMiB, remedy);
}

Result<void> write_e820(const GuestMemory& memory, std::span<std::uint8_t> page) {
  std::vector<GuestRange> ram;
  for (const MemoryRegion& region : memory.regions()) ram.push_back(region.range);
  const std::vector<E820Entry> map = e820_map(ram);
  if (map.size() > boot_params::kE820MaxEntries) {
    return fail(ErrorCode::kExhausted, "the zero page holds {} pieces of memory, and the machine has {}",
                boot_params::kE820MaxEntries, map.size());
  }
  page[boot_params::kE820Entries] = static_cast<std::uint8_t>(map.size());
  for (std::size_t i = 0; i < map.size(); ++i) {
    const auto entry = page.subspan(boot_params::kE820Table + i * boot_params::kE820EntrySize);
    store_le_at(entry, 0, map[i].range.first().value());
    store_le_at(entry, 8, map[i].range.size());
    store_le_at(entry, 16, static_cast<std::uint32_t>(map[i].type));
  }
  return {};
}

}  // namespace

Result<GuestRange> load_initrd(const GuestMemory& memory, const InputFile& file, const KernelImage& kernel) {
  if (file.size() == 0) return fail(ErrorCode::kInvalidArgument, "{}: an empty file is no initrd", file.name());
  const std::uint64_t end = initrd_end(memory, kernel);
  const std::uint64_t start = end < file.size() ? 0 : page_down(end - file.size());
  if (start <= kernel.range.last().value()) return initrd_does_not_fit(memory, file, kernel);

  KEEL_TRY(const GuestRange range, GuestRange::from_size(GuestAddress(start), file.size()));
  KEEL_TRY(const std::span<std::uint8_t> ram, memory.slice(range.first(), range.size()));
  KEEL_TRY_VOID(file.read_at(0, ram));
  return range;
}

std::size_t command_line_capacity(const KernelImage& kernel) noexcept {
  return std::min<std::uint64_t>(kernel.command_line_size, kCommandLine.size() - 1);
}

Result<void> write_command_line(const GuestMemory& memory, std::string_view text, const KernelImage& kernel) {
  const std::size_t limit = command_line_capacity(kernel);
  if (text.size() > limit) {
    return fail(ErrorCode::kInvalidArgument, "the command line has {} characters; this kernel takes {}", text.size(),
                limit);
  }
  if (const auto zero = text.find('\0'); zero != text.npos)
    return fail(ErrorCode::kInvalidArgument, "the command line has a zero byte at {}, which would end it there", zero);
  KEEL_TRY(const std::span<std::uint8_t> ram, memory.slice(kCommandLine.first(), text.size() + 1));
  std::ranges::copy(text, ram.begin());
  ram.back() = 0;
  return {};
}

Result<void> write_zero_page(const GuestMemory& memory, const KernelImage& kernel, std::optional<GuestRange> initrd,
                             std::optional<GuestAddress> acpi_rsdp) {
  // Initrd and command line are below 4 GiB, so the upper halves of their fields stay 0.
  KEEL_TRY(const std::span<std::uint8_t> page, memory.slice(kBootParams, boot_params::kSize));
  store_le(page, 0);
  std::ranges::copy(kernel.setup_header, page.begin() + boot_params::kSetupSects);
  page[boot_params::kTypeOfLoader] = boot_params::kLoaderUndefined;
  store_le_at(page, boot_params::kVidMode, boot_params::kVidModeNormal);
  store_le_at(page, boot_params::kSetupData, std::uint64_t{0});
  store_le_at(page, boot_params::kCmdLinePtr, static_cast<std::uint32_t>(kCommandLine.first().value()));
  store_le_at(page, boot_params::kRamdiskImage, std::uint32_t{0});
  store_le_at(page, boot_params::kRamdiskSize, std::uint32_t{0});
  if (initrd) {
    store_le_at(page, boot_params::kRamdiskImage, static_cast<std::uint32_t>(initrd->first().value()));
    store_le_at(page, boot_params::kRamdiskSize, static_cast<std::uint32_t>(initrd->size()));
  }
  if (acpi_rsdp) store_le_at(page, boot_params::kAcpiRsdpAddr, acpi_rsdp->value());
  return write_e820(memory, page);
}

Result<LoadedLinux> load_linux(const GuestMemory& memory, const LinuxBoot& boot) {
  KEEL_TRY(const KernelImage kernel, load_kernel(memory, boot.kernel));
  std::optional<GuestRange> initrd;
  if (boot.initrd != nullptr) {
    KEEL_TRY(initrd, load_initrd(memory, *boot.initrd, kernel));
  }
  KEEL_TRY_VOID(write_command_line(memory, boot.command_line, kernel));
  KEEL_TRY_VOID(write_zero_page(memory, kernel, initrd, boot.acpi_rsdp));
  return LoadedLinux{.boot = {.entry = kernel.entry, .boot_params = kBootParams}, .kernel = kernel};
}

}  // namespace keel::x86_64
