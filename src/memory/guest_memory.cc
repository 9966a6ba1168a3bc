// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/memory/guest_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <ranges>
#include <system_error>

#include <fmt/ranges.h>

#include "keel/base/try.h"

namespace keel {
namespace {

constexpr std::uint64_t kHugePageSize = 0x20'0000;

Result<void> check_ranges(std::span<const GuestRange> sorted) {
  const auto page_size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (sorted.empty()) return fail(ErrorCode::kInvalidArgument, "guest memory needs at least one range of RAM");
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const GuestRange& range = sorted[i];
    // A range that starts at 0 and ends on the last page of the space has 2^64 bytes: aligned, and mapped by nobody.
    if (!range.first().is_aligned(page_size) || (range.last_offset() + 1) % page_size != 0) {
      return fail(ErrorCode::kInvalidArgument, "RAM {} does not start and end on pages of {:#x} bytes", range,
                  page_size);
    }
    if (i > 0 && sorted[i - 1].overlaps(range))
      return fail(ErrorCode::kOverlap, "RAM {} overlaps RAM {}", range, sorted[i - 1]);
  }
  return {};
}

// Maps a huge page more than it needs, then gives back what lies before and behind the piece that agrees with `range`
// modulo the size of a huge page.
Result<std::uint8_t*> map_region(const GuestRange& range, GuestMemoryOptions options) {
  const std::uint64_t size = range.size();
  const auto no_space = [&](int error_number) {
    return fail(ErrorCode::kExhausted, "cannot map {} MiB of host memory for RAM {}: {}", size >> 20, range,
                std::generic_category().message(error_number));
  };
  if (size > std::numeric_limits<std::size_t>::max() - kHugePageSize) return no_space(ENOMEM);

  const std::size_t mapped_size = size + kHugePageSize;
  void* const mapping =
      ::mmap(nullptr, mapped_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return no_space(errno);

  auto* const start = static_cast<std::uint8_t*>(mapping);
  const std::uint64_t before = (range.first().value() - reinterpret_cast<std::uintptr_t>(start)) % kHugePageSize;
  if (before != 0) ::munmap(start, before);
  ::munmap(start + before + size, mapped_size - before - size);
  // No guest data in core dumps; and a mapping of its own, which the host's accounting can tell from its neighbours.
  ::madvise(start + before, size, MADV_DONTDUMP);
  if (options.huge_pages == HugePages::kAdvise) ::madvise(start + before, size, MADV_HUGEPAGE);
  return start + before;
}

}  // namespace

Result<GuestMemory> GuestMemory::create(std::span<const GuestRange> ranges, GuestMemoryOptions options) {
  std::vector<GuestRange> sorted(ranges.begin(), ranges.end());
  std::ranges::sort(sorted);
  KEEL_TRY_VOID(check_ranges(sorted));

  GuestMemory memory;
  memory.regions_.reserve(sorted.size());
  for (const GuestRange& range : sorted) {
    KEEL_TRY(std::uint8_t* const host, map_region(range, options));
    memory.regions_.push_back({range, host});
  }
  return memory;
}

GuestMemory::~GuestMemory() {
  for (const MemoryRegion& region : regions_) ::munmap(region.host, region.range.size());
}

std::uint64_t GuestMemory::total_size() const noexcept {
  std::uint64_t total = 0;
  for (const MemoryRegion& region : regions_) total += region.range.size();
  return total;
}

Result<std::span<std::uint8_t>> GuestMemory::slice(GuestAddress address, std::uint64_t size) const {
  if (const auto bytes = try_slice(address, size)) return *bytes;
  return outside(address, size, "one region of RAM");
}

template <typename Copy>
Result<void> GuestMemory::for_each_piece(GuestAddress address, std::uint64_t size, Copy copy) const {
  KEEL_TRY_VOID(check_covered(address, size));
  for (std::uint64_t done = 0; done < size;) {
    const MemoryRegion& region = *find(GuestAddress(address.value() + done));
    const std::uint64_t offset = address.value() + done - region.range.first().value();
    const std::uint64_t count = std::min(size - done - 1, region.range.last_offset() - offset) + 1;
    copy(region.host + offset, done, count);
    done += count;
  }
  return {};
}

Result<void> GuestMemory::read(GuestAddress address, std::span<std::uint8_t> bytes) const {
  return for_each_piece(address, bytes.size(), [&](const std::uint8_t* host, std::size_t done, std::size_t count) {
    std::memcpy(bytes.data() + done, host, count);
  });
}

Result<void> GuestMemory::write(GuestAddress address, std::span<const std::uint8_t> bytes) const {
  return for_each_piece(address, bytes.size(), [&](std::uint8_t* host, std::size_t done, std::size_t count) {
    std::memcpy(host, bytes.data() + done, count);
  });
}

Result<void> GuestMemory::check_covered(GuestAddress address, std::uint64_t size) const {
  GuestAddress next = address;
  for (std::uint64_t left = size; left > 0;) {
    const MemoryRegion* const region = find(next);
    if (region == nullptr) return outside(address, size, "RAM");
    const std::uint64_t in_region = region->range.last().offset_from(next);
    if (left - 1 <= in_region) break;
    left -= in_region + 1;
    if (region->range.last() == GuestAddress::max()) return outside(address, size, "RAM");
    next = GuestAddress(region->range.last().value() + 1);
  }
  return {};
}

std::unexpected<Error> GuestMemory::outside(GuestAddress address, std::uint64_t size, std::string_view what) const {
  const auto map = regions_ | std::views::transform([](const MemoryRegion& region) { return region.range; });
  return fail(ErrorCode::kOutOfBounds, "{:#x} bytes at guest address {} do not lie within {}; the regions are {}", size,
              address, what, fmt::join(map, ", "));
}

}  // namespace keel
