// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/bus.h"

#include <gtest/gtest.h>

#include "fake/bus.h"

namespace keel {
namespace {

constexpr PioRange kCom1 = PioRange::constant(0x3f8, 0x3ff);

TEST(BusEntry, GivesTheDeviceBackAsTheTypeItWasMadeAs) {
  const auto device = std::make_shared<fake::RecordingDevice>();
  const PioEntry entry(kCom1, device, "com1");
  EXPECT_EQ(entry.device_as<fake::RecordingDevice>(), device);
  EXPECT_EQ(entry.device_as<fake::HandlerDevice>(), nullptr);
  EXPECT_EQ(entry.device_as<DeviceMmio>(), device) << "one device may serve both buses";
}

TEST(BusEntry, IsEqualWithTheSameRangeAndDeviceWhateverItIsCalled) {
  const auto device = std::make_shared<fake::RecordingDevice>();
  const PioEntry entry(kCom1, device, "com1");
  EXPECT_EQ(entry, PioEntry(kCom1, device, "serial"));
  EXPECT_NE(entry, PioEntry(kCom1, std::make_shared<fake::RecordingDevice>(), "com1"));
  EXPECT_NE(entry, PioEntry(PioRange::constant(0x3f8, 0x3fe), device, "com1"));
}

}  // namespace
}  // namespace keel
