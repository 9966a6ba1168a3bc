// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/acpi/device.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace keel::x86_64 {
namespace {

using Bytes = std::vector<std::uint8_t>;

AcpiDevice virtio(std::vector<AcpiResource> resources) {
  return {.name = "VR00", .hid = "LNRO0005", .uid = 3, .resources = std::move(resources)};
}

std::string refusal(const AcpiDevice& device) {
  const auto checked = check_acpi_device(device);
  return checked ? "no error" : checked.error().message();
}

// The resources of an encoded device: what lies between the buffer's size and the end tag.
Bytes resources_of(const AcpiDevice& device) {
  const Bytes aml = encode_acpi_device(device);
  const std::string_view kName = "_CRS";
  const auto crs = std::search(aml.begin(), aml.end(), kName.begin(), kName.end());
  EXPECT_NE(crs, aml.end());
  EXPECT_EQ(Bytes(aml.end() - 2, aml.end()), (Bytes{0x79, 0}));
  constexpr int kNameAndBufferHeader = 4 + 1 + 1 + 2;
  return {crs + kNameAndBufferHeader, aml.end() - 2};
}

TEST(AcpiDevice, HasIdNumberAndResources) {
  const Bytes aml = encode_acpi_device(acpi_com1());
  const Bytes expected = {0x5b, 0x82, 49,   'C',  'O',  'M', '1',  0x08, '_',  'H',  'I',  'D',  0x0c,
                          0x41, 0xd0, 0x05, 0x01, 0x08, '_', 'U',  'I',  'D',  0x01, 0x08, '_',  'C',
                          'R',  'S',  0x11, 22,   0x0a, 19,  0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 0x01,
                          0x08, 0x89, 0x06, 0x00, 0x03, 1,   4,    0,    0,    0,    0x79, 0x00};
  EXPECT_EQ(aml, expected);
}

TEST(AcpiDevice, AnIdThatIsNoEisaIdIsAString) {
  const Bytes aml = encode_acpi_device(virtio({}));
  const std::string_view kText = "\x0dLNRO0005";
  EXPECT_NE(std::search(aml.begin(), aml.end(), kText.begin(), kText.end()), aml.end());
}

TEST(AcpiDevice, MemoryBelow4GiBIsMemory32Fixed) {
  EXPECT_EQ(resources_of(virtio({AcpiMemory{MmioRange::constant(0xd000'0000, 0xd000'0fff)}})),
            (Bytes{0x86, 9, 0, 1, 0, 0, 0, 0xd0, 0, 0x10, 0, 0}));
}

TEST(AcpiDevice, MemoryBeyond4GiBIsQWordMemory) {
  for (const MmioRange range :
       {MmioRange::constant(0x1'0000'0000, 0x1'0000'0fff), MmioRange::constant(0xffff'f000, 0x1'0000'0fff)}) {
    const Bytes bytes = resources_of(virtio({AcpiMemory{range}}));
    ASSERT_EQ(bytes.size(), 3u + 0x2b);
    EXPECT_EQ(bytes[0], 0x8a);
    EXPECT_EQ(bytes[15], range.first().value() >> 8 & 0xff);
  }
}

TEST(AcpiDevice, InterruptsSayHowTheyBehave) {
  const auto flags = [](const AcpiInterrupt& interrupt) { return resources_of(virtio({interrupt}))[3]; };
  EXPECT_EQ(flags({.gsi = Gsi(5), .trigger = InterruptTrigger::kEdge}), 0x03);
  EXPECT_EQ(flags({.gsi = Gsi(5), .trigger = InterruptTrigger::kLevel}), 0x01);
  EXPECT_EQ(flags({.gsi = Gsi(5),
                   .trigger = InterruptTrigger::kLevel,
                   .polarity = InterruptPolarity::kActiveLow,
                   .sharing = InterruptSharing::kShared}),
            0x0d);
}

TEST(AcpiDevice, VirtioMmioHasAWindowAndAnEdge) {
  const AcpiDevice device = acpi_virtio_mmio(0x1f, MmioRange::constant(0xc000'1000, 0xc000'1fff), Gsi(17));
  EXPECT_EQ(device.name, "VR1F");
  EXPECT_EQ(device.hid, "LNRO0005");
  EXPECT_EQ(device.uid, 0x1fu);
  EXPECT_EQ(refusal(device), "no error");
  EXPECT_EQ(resources_of(device), (Bytes{0x86, 9, 0, 1,    0x00, 0x10, 0x00, 0xc0, 0x00, 0x10, 0x00, 0x00,  //
                                         0x89, 6, 0, 0x03, 1,    17,   0,    0,    0}));
}

TEST(AcpiDevice, WhatCannotBeWrittenIsRefused) {
  EXPECT_EQ(refusal(virtio({})), "no error");
  EXPECT_EQ(refusal({.name = "vr0", .hid = "LNRO0005", .resources = {}}),
            "ACPI device \"vr0\": a name is four of A-Z, 0-9 and _, and starts with no digit");
  EXPECT_EQ(refusal({.name = "VR00", .hid = "virtio\n", .resources = {}}),
            "ACPI device \"VR00\": \"virtio\n\" is no hardware id; one is like \"PNP0501\" or \"LNRO0005\"");
  EXPECT_EQ(refusal(virtio({AcpiPorts{PioRange::constant(0x1000, 0x10ff)}})),
            "ACPI device \"VR00\": ports [0x1000, 0x10ff] are 256; one resource holds 255");
}

TEST(AcpiDevice, ThePcsOwnAreAllWritable) {
  for (const AcpiDevice& device : {acpi_com1(), acpi_rtc(), acpi_keyboard()}) EXPECT_EQ(refusal(device), "no error");
}

}  // namespace
}  // namespace keel::x86_64
