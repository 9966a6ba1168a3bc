// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tools/keel/machine_map_json.h"
#include "tools/keel/machine_map_text.h"
#include "keel/base/mutex.h"
#include "keel/resource/system_allocator.h"

namespace keel::tool {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

// Messages, pins and doorbells of every kind.
MachineMap busy_machine() {
  using kvm::InterruptPath;
  auto spaces = SystemAllocator<Mutex>::create({}).value();
  MachineMap map{.ram = {}, .devices = {}, .spaces = spaces.snapshot(), .interrupts = {}, .doorbells = {}};
  map.interrupts = {
      {.owner = "gpu0",
       .gsi = Gsi(16),
       .config = LegacyIrqConfig{.line = Gsi(16)},
       .path = InterruptPath::kResampledIrqfd,
       .enabled = true},
      {.owner = "pci0/net0",
       .index = 1,
       .gsi = Gsi(25),
       .config = MsiConfig{.address = MmioAddress(0xfee0'1000), .data = 0x41},
       .path = InterruptPath::kIrqfd,
       .enabled = true,
       .masked = true,
       .pending = true},
      {.owner = "rng0", .path = InterruptPath::kSignalMsi},
  };
  map.doorbells = {
      {"pci0/net0", PioDoorbell{.address = PioAddress(0xc010), .size = 2, .match = DoorbellMatch::kAnyValue}},
      {"blk0", MmioDoorbell{.address = MmioAddress(0xd000'0050), .value = 1}},
      {"vsock0", MmioDoorbell{.address = MmioAddress(0xd000'1050), .match = DoorbellMatch::kAnyWrite}},
  };
  return map;
}

TEST(MachineMapPrint, TellsPeopleWhoHoldsWhichInterruptAndDoorbell) {
  const std::string text = to_text(busy_machine());
  EXPECT_THAT(text, HasSubstr("interrupts\n"
                              "  gsi 16        gpu0: level, irqfd and resample\n"
                              "  gsi 25        pci0/net0 1: msi 0x41 to 0xfee01000, irqfd, masked, pending\n"
                              "  no gsi        rng0 0: not configured, KVM_SIGNAL_MSI, disabled\n"));
  EXPECT_THAT(text, HasSubstr("doorbells, each an eventfd\n"
                              "  pio doorbell at 0xc010 (2 bytes, any value)  pci0/net0\n"
                              "  mmio doorbell at 0xd0000050 (4 bytes, value 0x1)  blk0\n"
                              "  mmio doorbell at 0xd0001050 (4 bytes, any write)  vsock0\n"));
}

TEST(MachineMapPrint, TellsProgramsTheSame) {
  const Json map = Json::parse(to_json(busy_machine()));
  EXPECT_EQ(map["interrupts"], Json::parse(R"([
    {"gsi": 16, "owner": "gpu0", "index": 0, "path": "irqfd and resample", "enabled": true, "masked": false,
     "pending": false, "trigger": "level"},
    {"gsi": 25, "owner": "pci0/net0", "index": 1, "path": "irqfd", "enabled": true, "masked": true, "pending": true,
     "address": 4276097024, "data": 65},
    {"gsi": null, "owner": "rng0", "index": 0, "path": "KVM_SIGNAL_MSI", "enabled": false, "masked": false,
     "pending": false}
  ])"));
  EXPECT_EQ(map["doorbells"], Json::parse(R"([
    {"kind": "pio", "address": 49168, "size": 2, "match": "any value", "value": null, "owner": "pci0/net0"},
    {"kind": "mmio", "address": 3489661008, "size": 4, "match": "exact write", "value": 1, "owner": "blk0"},
    {"kind": "mmio", "address": 3489665104, "size": 4, "match": "any write", "value": null, "owner": "vsock0"}
  ])"));
}

}  // namespace
}  // namespace keel::tool
