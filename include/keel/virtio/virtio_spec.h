// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>

// The numbers of "Virtual I/O Device (VIRTIO) Version 1.3" that every device and transport shares. Those of a transport
// or of one device are in a header of its own.
namespace keel::virtio {

// 5: device types.
enum class DeviceId : std::uint32_t {
  kNet = 1,
  kBlock = 2,
  kConsole = 3,
  kEntropy = 4,
};

// 2.1: device status.
inline constexpr std::uint8_t kStatusAcknowledge = 1;
inline constexpr std::uint8_t kStatusDriver = 2;
inline constexpr std::uint8_t kStatusDriverOk = 4;
inline constexpr std::uint8_t kStatusFeaturesOk = 8;
inline constexpr std::uint8_t kStatusNeedsReset = 64;
inline constexpr std::uint8_t kStatusFailed = 128;

// 2.2 and 6: feature bits. 0 to 23 and 50 up are the device's own.
inline constexpr std::uint64_t kFeatureIndirectDesc = 1ull << 28;
inline constexpr std::uint64_t kFeatureEventIdx = 1ull << 29;
inline constexpr std::uint64_t kFeatureVersion1 = 1ull << 32;
inline constexpr std::uint64_t kFeatureAccessPlatform = 1ull << 33;
inline constexpr std::uint64_t kFeatureRingReset = 1ull << 40;
inline constexpr std::uint64_t kDeviceFeatureBits = ((1ull << 24) - 1) | ~((1ull << 50) - 1);

// 2.7: split virtqueues.
inline constexpr std::uint16_t kMaxQueueSize = 32768;
inline constexpr std::uint64_t kDescriptorAlignment = 16;
inline constexpr std::uint64_t kAvailableAlignment = 2;
inline constexpr std::uint64_t kUsedAlignment = 4;

// 2.7.5: struct virtq_desc, as the guest lays it out.
struct Descriptor {
  std::uint64_t address;
  std::uint32_t length;
  std::uint16_t flags;
  std::uint16_t next;
};
static_assert(sizeof(Descriptor) == 16);

inline constexpr std::uint16_t kDescriptorNext = 1;
inline constexpr std::uint16_t kDescriptorWrite = 2;
inline constexpr std::uint16_t kDescriptorIndirect = 4;

// 2.7.6: struct virtq_avail { le16 flags, idx, ring[size], used_event }.
inline constexpr std::uint64_t kAvailableFlags = 0;
inline constexpr std::uint64_t kAvailableIdx = 2;
inline constexpr std::uint64_t kAvailableRing = 4;
inline constexpr std::uint16_t kAvailableNoInterrupt = 1;
constexpr std::uint64_t available_bytes(std::uint16_t size) {
  return kAvailableRing + 2ull * size + 2;
}
constexpr std::uint64_t used_event_offset(std::uint16_t size) {
  return kAvailableRing + 2ull * size;
}

// 2.7.8: struct virtq_used { le16 flags, idx; struct { le32 id, len; } ring[size]; le16 avail_event }.
inline constexpr std::uint64_t kUsedFlags = 0;
inline constexpr std::uint64_t kUsedIdx = 2;
inline constexpr std::uint64_t kUsedRing = 4;
inline constexpr std::uint16_t kUsedNoNotify = 1;
constexpr std::uint64_t used_bytes(std::uint16_t size) {
  return kUsedRing + 8ull * size + 2;
}
constexpr std::uint64_t avail_event_offset(std::uint16_t size) {
  return kUsedRing + 8ull * size;
}

}  // namespace keel::virtio
