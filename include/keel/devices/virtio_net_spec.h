// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>

// The numbers of a network device: VIRTIO 1.3, 5.1.
namespace keel::virtio_net {

// 5.1.3: feature bits. HOST: what the device takes from its driver; GUEST: what the driver takes from its device.
inline constexpr std::uint64_t kFeatureChecksum = 1ull << 0;
inline constexpr std::uint64_t kFeatureGuestChecksum = 1ull << 1;
inline constexpr std::uint64_t kFeatureMtu = 1ull << 3;
inline constexpr std::uint64_t kFeatureMac = 1ull << 5;
inline constexpr std::uint64_t kFeatureGuestTso4 = 1ull << 7;
inline constexpr std::uint64_t kFeatureGuestTso6 = 1ull << 8;
inline constexpr std::uint64_t kFeatureGuestEcn = 1ull << 9;
inline constexpr std::uint64_t kFeatureHostTso4 = 1ull << 11;
inline constexpr std::uint64_t kFeatureHostTso6 = 1ull << 12;
inline constexpr std::uint64_t kFeatureHostEcn = 1ull << 13;
inline constexpr std::uint64_t kFeatureMergeableBuffers = 1ull << 15;
inline constexpr std::uint64_t kFeatureStatus = 1ull << 16;
inline constexpr std::uint64_t kFeatureControlQueue = 1ull << 17;
inline constexpr std::uint64_t kFeatureMultiQueue = 1ull << 22;

inline constexpr std::uint64_t kGuestOffloads =
    kFeatureGuestChecksum | kFeatureGuestTso4 | kFeatureGuestTso6 | kFeatureGuestEcn;
inline constexpr std::uint64_t kHostOffloads = kFeatureChecksum | kFeatureHostTso4 | kFeatureHostTso6 | kFeatureHostEcn;

// 5.1.4: offsets in the configuration space.
inline constexpr std::size_t kConfigMac = 0;         // six bytes
inline constexpr std::size_t kConfigStatus = 6;      // le16
inline constexpr std::size_t kConfigQueuePairs = 8;  // le16
inline constexpr std::size_t kConfigMtu = 10;        // le16
inline constexpr std::size_t kConfigSize = 12;
inline constexpr std::uint16_t kStatusLinkUp = 1;

// 5.1.6: ahead of every frame, both ways.
struct Header {
  std::uint8_t flags;
  std::uint8_t gso_type;
  std::uint16_t header_length;
  std::uint16_t gso_size;
  std::uint16_t checksum_start;
  std::uint16_t checksum_offset;
  std::uint16_t buffers;  // to the driver: how many buffers hold the frame
};
static_assert(sizeof(Header) == 12);

inline constexpr std::uint8_t kFlagNeedsChecksum = 1;
inline constexpr std::uint8_t kFlagDataValid = 2;
inline constexpr std::uint8_t kGsoNone = 0;
inline constexpr std::uint8_t kGsoTcp4 = 1;
inline constexpr std::uint8_t kGsoTcp6 = 4;
inline constexpr std::uint8_t kGsoEcn = 0x80;

// 5.1.6.5: a control command is class, command, data, and the acknowledgement that the device writes.
struct ControlHeader {
  std::uint8_t type;
  std::uint8_t command;
};
inline constexpr std::uint8_t kControlMultiQueue = 4;
inline constexpr std::uint8_t kMultiQueuePairsSet = 0;
inline constexpr std::uint8_t kAckOk = 0;
inline constexpr std::uint8_t kAckError = 1;

// The largest frame: 64 KiB of TCP segments, and the Ethernet header with its VLAN tag.
inline constexpr std::size_t kLargestFrame = 65535 + 18;
inline constexpr std::size_t kEthernetHeader = 14;

}  // namespace keel::virtio_net
