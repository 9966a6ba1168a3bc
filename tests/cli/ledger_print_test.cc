// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tools/keel/ledger_json.h"
#include "tools/keel/ledger_text.h"

namespace keel::tool {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::ordered_json;
using std::chrono::nanoseconds;

Traffic reads(std::uint64_t count, std::int64_t time) {
  return {.reads = {count, nanoseconds(time)}, .writes = {}};
}
Traffic writes(std::uint64_t count, std::int64_t time) {
  return {.reads = {}, .writes = {count, nanoseconds(time)}};
}

// A disk that two vCPUs and their predecessors wrote to, a clock that was read, a port that nobody touched; and on each
// bus what is gone and what was never there.
IoLedger sample() {
  IoLedger ledger;
  ledger.threads = {"ended threads", "vcpu0", "vcpu1"};
  ledger.pio.ranges = {{PioRange::constant(0x70, 0x71), "rtc", reads(5, 1500), {{1, reads(5, 1500)}}},
                       {PioRange::constant(0x3f8, 0x3ff), "com1", {}, {}}};
  ledger.pio.unclaimed_reads = 7;
  ledger.pio.unclaimed_writes = 2;
  ledger.pio.unclaimed = {{PioAddress(0x80), 6, 0}, {PioAddress(0xed), 1, 2}};
  ledger.mmio.ranges = {{MmioRange::constant(0xc000'0000, 0xc000'0fff),
                         "virtio-mmio/virtio-block:disk0",
                         writes(12, 34'560),
                         {{0, writes(1, 60)}, {1, writes(3, 4'500)}, {2, writes(8, 30'000)}}}};
  ledger.mmio.removed = {{MmioRange::constant(0xc000'1000, 0xc000'1fff), "net0", reads(4, 2'000), {}}};
  ledger.mmio.removed_earlier = writes(9, 1'000'000);
  ledger.too_deep = 3;
  return ledger;
}

TEST(LedgerPrint, TellsPeopleWhoWasAccessedHowOftenHowLongAndByWhom) {
  EXPECT_EQ(to_text(sample()),
            "accesses                                    reads    writes   read us  write us\n"
            "  pio [0x70, 0x71] rtc                          5         0       1.5       0.0\n"
            "    vcpu0                                       5         0       1.5       0.0\n"
            "  mmio [0xc0000000, 0xc0000fff] virtio-mmio/virtio-block:disk0\n"
            "                                                0        12       0.0      34.6\n"
            "    vcpu1                                       0         8       0.0      30.0\n"
            "    vcpu0                                       0         3       0.0       4.5\n"
            "    ended threads                               0         1       0.0       0.1\n"
            "  mmio [0xc0001000, 0xc0001fff] net0 (removed)\n"
            "                                                4         0       2.0       0.0\n"
            "  mmio (removed earlier)                        0         9       0.0    1000.0\n"
            "  pio (nobody)                                  7         2\n"
            "    0x80                                        6         0\n"
            "    0xed                                        1         2\n"
            "  3 refused: from handlers nested too deep\n");
}

TEST(LedgerPrint, OfAHundredThreadsTellsPeopleTheBusiest) {
  IoLedger ledger;
  ledger.threads = {"ended threads"};
  RangeLedger<PioAddress> range{PioRange::constant(0x70, 0x71), "rtc", {}, {}};
  for (std::size_t i = 1; i <= 100; ++i) {
    ledger.threads.push_back(fmt::format("vcpu{}", i));
    range.by_thread.push_back({i, reads(i, 0)});
    range.traffic += range.by_thread.back().traffic;
  }
  ledger.pio.ranges = {range};
  const std::string text = to_text(ledger);
  EXPECT_THAT(text, HasSubstr("rtc                       5050 "));
  EXPECT_THAT(text, HasSubstr("\n    vcpu100                                   100 "));
  EXPECT_THAT(text, HasSubstr("\n    vcpu93                                     93 "));
  EXPECT_THAT(text, Not(HasSubstr("vcpu92 ")));
  EXPECT_THAT(text, HasSubstr("\n    92 other threads                         4278 "));
}

TEST(LedgerPrint, TellsProgramsAllOfIt) {
  EXPECT_EQ(json_of(sample()), Json::parse(R"({
    "pio": {
      "ranges": [
        {"first": 112, "last": 113, "owner": "rtc", "reads": 5, "writes": 0, "read_ns": 1500, "write_ns": 0,
         "threads": [{"thread": "vcpu0", "reads": 5, "writes": 0, "read_ns": 1500, "write_ns": 0}]},
        {"first": 1016, "last": 1023, "owner": "com1", "reads": 0, "writes": 0, "read_ns": 0, "write_ns": 0,
         "threads": []}
      ],
      "removed": [],
      "removed_earlier": {"reads": 0, "writes": 0, "read_ns": 0, "write_ns": 0},
      "unclaimed": {"reads": 7, "writes": 2, "addresses": [{"address": 128, "reads": 6, "writes": 0},
                                                           {"address": 237, "reads": 1, "writes": 2}]}
    },
    "mmio": {
      "ranges": [
        {"first": 3221225472, "last": 3221229567, "owner": "virtio-mmio/virtio-block:disk0",
         "reads": 0, "writes": 12, "read_ns": 0, "write_ns": 34560,
         "threads": [{"thread": "ended threads", "reads": 0, "writes": 1, "read_ns": 0, "write_ns": 60},
                     {"thread": "vcpu0", "reads": 0, "writes": 3, "read_ns": 0, "write_ns": 4500},
                     {"thread": "vcpu1", "reads": 0, "writes": 8, "read_ns": 0, "write_ns": 30000}]}
      ],
      "removed": [{"first": 3221229568, "last": 3221233663, "owner": "net0", "reads": 4, "writes": 0,
                   "read_ns": 2000, "write_ns": 0, "threads": []}],
      "removed_earlier": {"reads": 0, "writes": 9, "read_ns": 0, "write_ns": 1000000},
      "unclaimed": {"reads": 0, "writes": 0, "addresses": []}
    },
    "too_deep": 3
  })"));
}

}  // namespace
}  // namespace keel::tool
