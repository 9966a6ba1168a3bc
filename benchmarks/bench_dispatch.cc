// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// What an access costs: Keel beside the floor (a device pointer out of an array, one virtual call) and beside an
// ordered map read without a lock. The ledger and the read lock are part of Keel's figures.

#include <atomic>
#include <cstdio>
#include <exception>
#include <thread>

#include <fmt/format.h>

#include "benchmarks/interleave.h"
#include "benchmarks/machine.h"

namespace keel::bench {
namespace {

constexpr std::uint32_t kCounts[] = {1, 8, 32, 256, 4096};
constexpr unsigned kPasses = 4;  // a turn: long enough to forget the other contenders' cache lines

template <typename A, template <typename> typename How>
Contender contender(const char* name, const Machine<A>& machine, const std::vector<Access>& accesses) {
  return {name, [&machine, &accesses] {
            std::uint64_t wrong = 0;
            for (unsigned i = 0; i < kPasses; ++i) wrong += pass<A, How>(machine, accesses);
            return wrong;
          }};
}

template <typename A>
void one_thread(Report& report, const char* bus, const char* where, Layout (*layout_of)(std::uint32_t)) {
  report.section(fmt::format("4-byte {} read, ns, one thread, {} ranges", bus, where),
                 {"devices", "access", "median", "minimum", "to floor"});
  for (const std::uint32_t count : kCounts) {
    const Layout layout = layout_of(count);
    const Machine<A> machine(layout);
    const Machine<A> locked(layout, true);
    const auto random = hits(layout, count);
    const auto hot = hits(layout, 1);
    const auto miss = misses(layout);
    const Contender contenders[] = {
        contender<A, Floor>("floor", machine, random),
        contender<A, Keel>("keel random", machine, random),
        contender<A, Keel>("keel hot", machine, hot),
        contender<A, Keel>("keel miss", machine, miss),
        contender<A, Floor>("floor locked", locked, random),
        contender<A, Keel>("keel locked", locked, random),
        contender<A, OrderedMap>("map random", machine, random),
        contender<A, OrderedMap>("map hot", machine, hot),
        contender<A, OrderedMap>("map miss", machine, miss),
    };
    for (const Figure& figure : interleave(contenders, kAccesses * kPasses, report.rounds())) {
      report.row({fmt::format("{}", count), figure.name}, {figure.median_ns, figure.minimum_ns, figure.ratio});
    }
  }
}

// What a machine gets during a measurement: a device that stays, or one that a thread registers and deregisters in
// turn, a thousand changes a second. A device far from the others costs every access a step more, so each has its own
// row.
constexpr auto kBeside = MmioRange::constant(0xd0020000, 0xd0020fff);
constexpr auto kFar = MmioRange::constant(0xe0000000, 0xe0000fff);

class Writer {
 public:
  Writer(IoManager& bus, MmioRange range)
      : thread_([&bus, range](const std::stop_token& stop) {
          const auto device = make_register(0);
          auto next = std::chrono::steady_clock::now();
          for (bool there = false; !stop.stop_requested(); there = !there) {
            if (there)
              (void)bus.deregister_mmio(range.first()).value();
            else
              bus.register_mmio(range, device, "").value();
            std::this_thread::sleep_until(next += std::chrono::milliseconds(1));
          }
          (void)bus.deregister_mmio(range.first());
        }) {}

 private:
  std::jthread thread_;
};

// Million accesses a second that `threads` threads make together in about 30 ms.
template <template <typename> typename How>
double throughput(const Machine<MmioAddress>& machine, const std::vector<Access>& accesses, unsigned threads) {
  std::atomic<unsigned> ready = 0;
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> passes = 0, wrong = 0;
  std::vector<std::jthread> readers;
  for (unsigned i = 0; i < threads; ++i) {
    readers.emplace_back([&] {
      std::uint64_t mine = 0, bad = pass<MmioAddress, How>(machine, accesses);
      ++ready;
      while (ready != threads + 1) {
      }
      for (; !stop.load(std::memory_order_relaxed); ++mine) bad += pass<MmioAddress, How>(machine, accesses);
      passes += mine;
      wrong += bad;
    });
  }
  while (ready != threads) std::this_thread::yield();
  const double start = now_ns();
  ++ready;
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  stop = true;
  const double spent = now_ns() - start;
  readers.clear();
  if (wrong != 0) throw std::runtime_error("wrong answers");
  return static_cast<double>(passes) * kAccesses / spent * 1e3;
}

// A round in which the floor itself does not double is one in which somebody else used the machine.
constexpr double kScales = 1.9;

void two_threads(Report& report) {
  const Layout layout = contiguous<MmioAddress>(32);
  Machine<MmioAddress> machine(layout);
  Machine<MmioAddress> locked(layout, true);
  const auto random = hits(layout, layout.count);
  Machine<MmioAddress> spread(layout);
  spread.keel.register_mmio(kFar, make_register(0), "").value();
  struct Row {
    const char* bus;
    const char* change;
    std::optional<MmioRange> range;
    double (*measure)(const Machine<MmioAddress>&, const std::vector<Access>&, unsigned);
    Machine<MmioAddress>* machine;
    std::vector<double> one, two, ratio;
  };
  Row rows[] = {{"floor", "none", {}, throughput<Floor>, &machine, {}, {}, {}},
                {"floor", "beside", kBeside, throughput<Floor>, &machine, {}, {}, {}},
                {"keel", "none", {}, throughput<Keel>, &machine, {}, {}, {}},
                {"keel", "beside", kBeside, throughput<Keel>, &machine, {}, {}, {}},
                {"keel spread", "none", {}, throughput<Keel>, &spread, {}, {}, {}},
                {"keel spread", "beside", kBeside, throughput<Keel>, &spread, {}, {}, {}},
                {"keel locked", "none", {}, throughput<Keel>, &locked, {}, {}, {}},
                {"map", "none", {}, throughput<OrderedMap>, &machine, {}, {}, {}}};
  const unsigned wanted = report.rounds() / 5 + 1;
  unsigned kept = 0, rounds = 0;
  for (; kept < wanted && rounds < 20 * wanted; ++rounds) {
    std::vector<std::pair<double, double>> measured;
    for (const Row& row : rows) {
      const double one = row.measure(*row.machine, random, 1);  // without the writer: it is this that two must double
      std::optional<Writer> writer;
      if (row.range) writer.emplace(row.machine->keel, *row.range);
      measured.emplace_back(one, row.measure(*row.machine, random, 2));
    }
    const double again = throughput<Floor>(machine, random, 2);
    if (std::min(measured[0].second, again) < kScales * measured[0].first) continue;
    ++kept;
    for (std::size_t i = 0; i < std::size(rows); ++i) {
      rows[i].one.push_back(measured[i].first);
      rows[i].two.push_back(measured[i].second);
      rows[i].ratio.push_back(measured[i].second / measured[i].first);
    }
  }
  report.section(fmt::format("random mmio reads of 32 devices, million a second; {} of {} rounds, those in which two "
                             "threads had two processors",
                             kept, rounds),
                 {"bus", "changes", "one thread", "two threads", "two by one"});
  if (kept == 0) return;
  for (const Row& row : rows) {
    report.row({row.bus, row.change}, {median(row.one), median(row.two), median(row.ratio)});
  }
}

void run(Report& report) {
  one_thread<MmioAddress>(report, "mmio", "contiguous", contiguous<MmioAddress>);
  one_thread<MmioAddress>(report, "mmio", "scattered", with_holes<MmioAddress>);
  one_thread<PioAddress>(report, "pio", "contiguous", contiguous<PioAddress>);
  one_thread<PioAddress>(report, "pio", "scattered", with_holes<PioAddress>);
  two_threads(report);
}

}  // namespace
}  // namespace keel::bench

int main(int argc, char** argv) {
  keel::bench::Report report(argc, argv, "Measures what an access costs.");
  try {
    keel::bench::run(report);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
