// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// What a change to the buses costs the one who makes it, while a reader exists: its grace period starts, and is not
// waited for unless said. Beside it an ordered map that is copied and published whole, the simplest way to change a map
// that is read without a lock.

#include <atomic>
#include <cstdio>
#include <exception>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "benchmarks/interleave.h"
#include "benchmarks/machine.h"

namespace keel::bench {
namespace {

template <typename F>
double microseconds(F&& f) {
  const double start = now_ns();
  f();
  return (now_ns() - start) / 1e3;
}

// So that the work of liburcu's thread falls between two measurements and not into them.
void pause() {
  std::this_thread::sleep_for(std::chrono::microseconds(300));
}

// A map that readers find through a pointer; old ones are kept alive by their readers.
class PublishedMap {
 public:
  using Map = std::map<std::uint64_t, Machine<MmioAddress>::Mapped>;
  explicit PublishedMap(const Map& map) : map_(std::make_shared<const Map>(map)) {}
  template <typename F>
  void change(F&& f) {
    auto next = std::make_shared<Map>(*map_.load());
    f(*next);
    map_.store(std::move(next));
  }

 private:
  std::atomic<std::shared_ptr<const Map>> map_;
};

struct Times {
  std::vector<double> add, move, remove, wait, add_far;
};

// Beside the others of its kind, moved by its size and back out; and once far from them.
Times change_keel(std::uint32_t count, unsigned rounds) {
  const Layout layout = contiguous<MmioAddress>(count);
  Machine<MmioAddress> machine(layout);
  IoManager& bus = machine.keel;
  const auto device = make_register(0);
  const MmioAddress next(layout.first(count)), after(layout.first(count + 1)), far(0x40'0000'0000);
  const auto range_at = [](MmioAddress first) { return MmioRange::from_size(first, 0x1000).value(); };
  std::uint8_t data[4];
  (void)bus.mmio_read(MmioAddress(layout.base), data);  // from now on there is a reader
  Times times;
  for (unsigned round = 0; round < rounds; ++round) {
    pause();
    times.add.push_back(microseconds([&] { bus.register_mmio(range_at(next), device, "").value(); }));
    pause();
    times.move.push_back(microseconds([&] {
      IoTransaction change = bus.begin();
      change.move_mmio(next, after).value();
      change.commit().value();
    }));
    pause();
    times.remove.push_back(microseconds([&] { (void)bus.deregister_mmio(after).value(); }));
    pause();
    times.add_far.push_back(microseconds([&] { bus.register_mmio(range_at(far), device, "").value(); }));
    pause();
    times.wait.push_back(microseconds([&] { (void)bus.deregister_mmio(far).value().completion().wait(); }));
  }
  return times;
}

std::vector<double> change_map(std::uint32_t count, unsigned rounds) {
  const Layout layout = contiguous<MmioAddress>(count);
  PublishedMap map(Machine<MmioAddress>(layout).map);
  std::vector<double> times;
  for (unsigned round = 0; round < rounds; ++round) {
    pause();
    times.push_back(
        microseconds([&] { map.change([&](auto& entries) { entries[layout.first(count)] = {~0ull, nullptr}; }); }));
  }
  return times;
}

void one_change(Report& report) {
  report.section("one change, us", {"devices", "change", "median", "minimum"});
  for (const std::uint32_t count : {1u, 8u, 32u, 256u, 4096u}) {
    const std::string devices = fmt::format("{}", count);
    const auto row = [&](const char* what, const std::vector<double>& times) {
      report.row({devices, what}, {median(times), minimum(times)});
    };
    const Times times = change_keel(count, 2 * report.rounds());
    row("register", times.add);
    row("move", times.move);
    row("deregister", times.remove);
    row("register far", times.add_far);
    row("remove and wait", times.wait);
    row("copied map", change_map(count, report.rounds()));
  }
}

void many_changes(Report& report) {
  report.section("4096 changes in one transaction, us in all", {"transaction", "median", "minimum"});
  const auto device = make_register(0);
  std::vector<double> register_all, deregister_all;
  for (unsigned round = 0; round < report.rounds() / 4 + 1; ++round) {
    IoManager bus;
    std::uint8_t data[4];
    (void)bus.mmio_read(MmioAddress(0xd0000000), data);
    register_all.push_back(microseconds([&] {
      IoTransaction fill = bus.begin();
      for (std::uint64_t i = 0; i < 4096; ++i) {
        const auto range = MmioRange::from_size(MmioAddress(0xd0000000 + i * 0x1000), 0x1000).value();
        fill.register_mmio(range, device, "").value();
      }
      fill.commit().value();
    }));
    deregister_all.push_back(microseconds([&] {
      IoTransaction empty = bus.begin();
      for (std::uint64_t i = 0; i < 4096; ++i) empty.deregister_mmio(MmioAddress(0xd0000000 + i * 0x1000)).value();
      empty.commit().value();
    }));
  }
  report.row({"register"}, {median(register_all), minimum(register_all)});
  report.row({"deregister"}, {median(deregister_all), minimum(deregister_all)});
}

}  // namespace
}  // namespace keel::bench

int main(int argc, char** argv) {
  keel::bench::Report report(argc, argv, "Measures what a change to the buses costs.");
  try {
    keel::bench::one_change(report);
    keel::bench::many_changes(report);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
