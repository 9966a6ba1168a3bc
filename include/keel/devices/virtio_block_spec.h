// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>

// The numbers of a block device: VIRTIO 1.3, 5.2.
namespace keel::virtio_block {

// 5.2.3: feature bits.
inline constexpr std::uint64_t kFeatureSegMax = 1ull << 2;
inline constexpr std::uint64_t kFeatureReadOnly = 1ull << 5;
inline constexpr std::uint64_t kFeatureBlockSize = 1ull << 6;
inline constexpr std::uint64_t kFeatureFlush = 1ull << 9;
inline constexpr std::uint64_t kFeatureConfigWce = 1ull << 11;
inline constexpr std::uint64_t kFeatureMultiQueue = 1ull << 12;
inline constexpr std::uint64_t kFeatureDiscard = 1ull << 13;
inline constexpr std::uint64_t kFeatureWriteZeroes = 1ull << 14;

// 5.2.4: offsets in the configuration space; sectors are of 512 bytes whatever the block size is.
inline constexpr std::size_t kConfigCapacity = 0;             // le64, sectors
inline constexpr std::size_t kConfigSegMax = 12;              // le32
inline constexpr std::size_t kConfigBlockSize = 20;           // le32, bytes
inline constexpr std::size_t kConfigWriteback = 32;           // u8, the driver's to write
inline constexpr std::size_t kConfigQueues = 34;              // le16
inline constexpr std::size_t kConfigMaxDiscardSectors = 36;   // le32
inline constexpr std::size_t kConfigMaxDiscardSegments = 40;  // le32
inline constexpr std::size_t kConfigDiscardAlignment = 44;    // le32, sectors
inline constexpr std::size_t kConfigMaxZeroesSectors = 48;    // le32
inline constexpr std::size_t kConfigMaxZeroesSegments = 52;   // le32
inline constexpr std::size_t kConfigZeroesMayUnmap = 56;      // u8
inline constexpr std::size_t kConfigSize = 60;

// 5.2.6: a request is this header, data, and a status byte.
struct RequestHeader {
  std::uint32_t type;
  std::uint32_t reserved;
  std::uint64_t sector;
};
static_assert(sizeof(RequestHeader) == 16);

inline constexpr std::uint32_t kTypeIn = 0;
inline constexpr std::uint32_t kTypeOut = 1;
inline constexpr std::uint32_t kTypeFlush = 4;
inline constexpr std::uint32_t kTypeGetId = 8;
inline constexpr std::uint32_t kTypeDiscard = 11;
inline constexpr std::uint32_t kTypeWriteZeroes = 13;

inline constexpr std::uint8_t kStatusOk = 0;
inline constexpr std::uint8_t kStatusIoError = 1;
inline constexpr std::uint8_t kStatusUnsupported = 2;

inline constexpr std::uint64_t kSectorSize = 512;
inline constexpr std::size_t kIdSize = 20;

// The data of a discard or write-zeroes request.
struct Segment {
  std::uint64_t sector;
  std::uint32_t sectors;
  std::uint32_t flags;
};
static_assert(sizeof(Segment) == 16);
inline constexpr std::uint32_t kSegmentUnmap = 1;

}  // namespace keel::virtio_block
