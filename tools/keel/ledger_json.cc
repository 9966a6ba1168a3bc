// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "tools/keel/ledger_json.h"

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace keel::tool {
namespace {

using Json = nlohmann::ordered_json;

// Adds {"reads", "writes", "read_ns", "write_ns"}.
Json with_traffic(Json json, const Traffic& traffic) {
  json["reads"] = traffic.reads.count;
  json["writes"] = traffic.writes.count;
  json["read_ns"] = traffic.reads.time.count();
  json["write_ns"] = traffic.writes.time.count();
  return json;
}

template <typename A>
Json json_of(const std::vector<RangeLedger<A>>& ranges, const std::vector<std::string>& threads) {
  Json json = Json::array();
  for (const RangeLedger<A>& range : ranges) {
    Json& row = json.emplace_back(with_traffic(
        {{"first", range.range.first().value()}, {"last", range.range.last().value()}, {"owner", range.owner}},
        range.traffic));
    row["threads"] = Json::array();
    for (const ThreadTraffic& share : range.by_thread)
      row["threads"].push_back(with_traffic({{"thread", threads[share.thread]}}, share.traffic));
  }
  return json;
}

template <typename A>
Json json_of(const BusLedger<A>& bus, const std::vector<std::string>& threads) {
  Json addresses = Json::array();
  for (const UnclaimedAddress<A>& at : bus.unclaimed)
    addresses.push_back({{"address", at.address.value()}, {"reads", at.reads}, {"writes", at.writes}});
  return {
      {"ranges", json_of(bus.ranges, threads)},
      {"removed", json_of(bus.removed, threads)},
      {"removed_earlier", with_traffic(Json::object(), bus.removed_earlier)},
      {"unclaimed",
       {{"reads", bus.unclaimed_reads}, {"writes", bus.unclaimed_writes}, {"addresses", std::move(addresses)}}},
  };
}

}  // namespace

Json json_of(const IoLedger& ledger) {
  return {{"pio", json_of(ledger.pio, ledger.threads)},
          {"mmio", json_of(ledger.mmio, ledger.threads)},
          {"too_deep", ledger.too_deep}};
}

}  // namespace keel::tool
