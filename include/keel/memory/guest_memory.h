// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/base/range.h"

namespace keel {

enum class HugePages : std::uint8_t {
  kHostPolicy,  // whatever /sys/kernel/mm/transparent_hugepage says
  kAdvise,      // ask for them: fewer faults and TLB misses, and up to 2 MiB held for a page the guest touched
};

struct GuestMemoryOptions {
  HugePages huge_pages = HugePages::kHostPolicy;
};

// One contiguous piece of guest RAM. The host bytes [host, host + range.size()) are the guest's [first, last]; both
// agree modulo 2 MiB, so that a hypervisor's second-level table may use huge pages.
struct MemoryRegion {
  GuestRange range;
  std::uint8_t* host;
};

// A guest's RAM: owns the host memory behind each region, checks every access against the map.
//
// The map never changes after create(), so any thread may call any const function at any time. The *bytes* are shared
// with the running guest, which may change them between two reads and even during one: copy a structure out once
// (read_object) and then judge the copy. Host threads that touch the same bytes synchronise among themselves.
// `const` is that of the map, as with a pointer: the bytes stay writable.
//
// An access of size 0 is nowhere: slice() and try_slice() refuse it; read() and write() of no bytes succeed.
class GuestMemory {
 public:
  // Anonymous, zeroed, private memory that the host commits page by page as it is touched. `ranges` may come in any
  // order. Errors: kInvalidArgument where there is no range, or one is not made of whole host pages; kOverlap;
  // kExhausted where the host has no address space left.
  [[nodiscard]] static Result<GuestMemory> create(std::span<const GuestRange> ranges, GuestMemoryOptions options = {});

  GuestMemory(GuestMemory&& other) noexcept : regions_(std::exchange(other.regions_, {})) {}
  GuestMemory& operator=(GuestMemory&& other) noexcept {
    std::swap(regions_, other.regions_);
    return *this;
  }
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;
  ~GuestMemory();

  // By ascending address; stays valid and unchanged as long as this object is neither moved from nor destroyed.
  [[nodiscard]] std::span<const MemoryRegion> regions() const noexcept { return regions_; }
  // Bytes of RAM, all regions together.
  [[nodiscard]] std::uint64_t total_size() const noexcept;

  // The host bytes behind [address, address + size). They must lie in one region: error kOutOfBounds, with the map.
  [[nodiscard]] Result<std::span<std::uint8_t>> slice(GuestAddress address, std::uint64_t size) const;

  // The same for a device's data path: nothing where slice() has an error. Neither allocates nor waits.
  [[nodiscard]] std::optional<std::span<std::uint8_t>> try_slice(GuestAddress address,
                                                                 std::uint64_t size) const noexcept {
    const MemoryRegion* const region = find(address);
    if (region == nullptr || size == 0 || size - 1 > region->range.last().offset_from(address)) return std::nullopt;
    return std::span(region->host + address.offset_from(region->range.first()), size);
  }

  // As many of the bytes at [address, address + size) as lie in the region of the first; empty where that is nowhere.
  // For what may cross from one region into an adjacent one. Neither allocates nor waits.
  [[nodiscard]] std::span<std::uint8_t> slice_front(GuestAddress address, std::uint64_t size) const noexcept {
    const MemoryRegion* const region = find(address);
    if (region == nullptr || size == 0) return {};
    const std::uint64_t last = std::min(size - 1, region->range.last().offset_from(address));
    return {region->host + address.offset_from(region->range.first()), last + 1};
  }

  // Copies between the guest and `bytes`; may cross from one region into an adjacent one. Error: kOutOfBounds where
  // any byte is outside RAM, and then nothing was copied.
  [[nodiscard]] Result<void> read(GuestAddress address, std::span<std::uint8_t> bytes) const;
  [[nodiscard]] Result<void> write(GuestAddress address, std::span<const std::uint8_t> bytes) const;

  // The same for a value in the host's own representation; `address` need not be aligned. Not one atomic access.
  template <typename T>
    requires std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T>
  [[nodiscard]] Result<T> read_object(GuestAddress address) const {
    T object;
    const auto done = read(address, {reinterpret_cast<std::uint8_t*>(&object), sizeof(T)});
    if (!done) return std::unexpected(done.error());
    return object;
  }
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] Result<void> write_object(GuestAddress address, const T& object) const {
    return write(address, {reinterpret_cast<const std::uint8_t*>(&object), sizeof(T)});
  }

 private:
  GuestMemory() = default;

  [[nodiscard]] const MemoryRegion* find(GuestAddress address) const noexcept {
    const auto above = std::ranges::upper_bound(regions_, address, {}, [](const auto& r) { return r.range.first(); });
    if (above == regions_.begin() || std::prev(above)->range.last() < address) return nullptr;
    return &*std::prev(above);
  }
  template <typename Copy>
  [[nodiscard]] Result<void> for_each_piece(GuestAddress address, std::uint64_t size, Copy copy) const;
  [[nodiscard]] Result<void> check_covered(GuestAddress address, std::uint64_t size) const;
  [[nodiscard]] std::unexpected<Error> outside(GuestAddress address, std::uint64_t size, std::string_view what) const;

  std::vector<MemoryRegion> regions_;
};

}  // namespace keel
