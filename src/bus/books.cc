// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/bus/books.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <unordered_map>

#include "src/bus/access_count.h"
#include "keel/base/check.h"

namespace keel::detail {

namespace {

constexpr Column kColumns[] = {Column::kReads, Column::kWrites, Column::kReadTicks, Column::kWriteTicks};

Traffic traffic(const LineTally& line, double nanoseconds_per_tick) {
  const auto totals = [&](const Tally& tally) {
    const auto time = std::llround(static_cast<double>(tally.ticks) * nanoseconds_per_tick);
    return AccessTotals{tally.count, std::chrono::nanoseconds(time)};
  };
  return {totals(line.reads), totals(line.writes)};
}

void add(Tally& sum, const Tally& more) {
  sum.count += more.count;
  sum.ticks += more.ticks;
}

template <typename A>
void busiest_first(std::vector<UnclaimedAddress<A>>& addresses) {
  const auto total = [](const UnclaimedAddress<A>& entry) { return entry.reads + entry.writes; };
  std::ranges::sort(addresses, [&](const auto& a, const auto& b) {
    return std::pair(total(b), a.address) < std::pair(total(a), b.address);
  });
  if (addresses.size() > IoLedger::kUnclaimedAddresses) {
    addresses.erase(addresses.begin() + IoLedger::kUnclaimedAddresses, addresses.end());
  }
}

}  // namespace

Book::Book() {
  void* const memory =
      mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check(memory != MAP_FAILED, "no address space for a thread's ledger");
  ::madvise(memory, kBytes,
            MADV_NOHUGEPAGE);  // a first count must not take 2 MiB; without huge pages it fails, rightly
  cells_ = static_cast<OwnedCounter*>(memory);  // zero pages hold counters of zero
}

Book::~Book() {
  munmap(cells_, kBytes);
}

LineTally Book::tally(std::uint32_t line) const noexcept {
  const auto tally = [&](Column accesses, Column ticks) {
    const std::uint64_t count = AccessCount::of(counter(line, accesses).load());
    const std::uint64_t stood_for = std::max(AccessCount::stood_for(count), std::uint64_t{1});
    const double scale = static_cast<double>(count) / static_cast<double>(stood_for);
    return Tally{count, static_cast<std::uint64_t>(static_cast<double>(counter(line, ticks).load()) * scale)};
  };
  return {tally(Column::kReads, Column::kReadTicks), tally(Column::kWrites, Column::kWriteTicks)};
}

Book& Books::open_book() {
  auto book = std::make_unique<Book>();
  const Lock lock(mutex_);
  return *books_.emplace_back(std::move(book));
}

void Books::close_book(Book& book) noexcept {
  std::unique_ptr<Book> closed;
  const Lock lock(mutex_);
  for (std::uint32_t line = 0; line < ended_.size(); ++line) {
    const LineTally counted = book.tally(line);
    add(ended_[line].reads, counted.reads);
    add(ended_[line].writes, counted.writes);
  }
  ended_strays_.pio_unclaimed.add(book.pio_unclaimed);
  ended_strays_.mmio_unclaimed.add(book.mmio_unclaimed);
  ended_strays_.too_deep.add(book.too_deep.load());
  const auto it = std::ranges::find(books_, &book, &std::unique_ptr<Book>::get);
  closed = std::move(*it);
  books_.erase(it);
}

void Books::name_book(Book& book, std::string name) {
  const Lock lock(mutex_);
  book.name = std::move(name);
}

bool Books::nobody_dispatches() const {
  const Lock lock(mutex_);
  return books_.empty();
}

Result<std::uint32_t> Books::open_line() {
  const Lock lock(mutex_);
  if (!free_lines_.empty()) {
    const std::uint32_t line = free_lines_.back();
    free_lines_.pop_back();
    return line;
  }
  const std::size_t lines = ended_.size();
  if (lines == Book::kLines) {
    return fail(ErrorCode::kExhausted, "the buses hold {} ranges, which is all they can; remove some", lines);
  }
  if (free_lines_.capacity() == lines) free_lines_.reserve(2 * lines + 64);  // closing never allocates
  ended_.emplace_back();
  return static_cast<std::uint32_t>(lines);
}

// What all threads counted on the line, which is then clean for its next range.
Traffic Books::take_line(std::uint32_t line) {
  const double scale = scale_.nanoseconds_per_tick();
  Traffic total = traffic(std::exchange(ended_[line], {}), scale);
  for (const auto& book : books_) {
    total += traffic(book->tally(line), scale);
    for (const Column column : kColumns) {
      OwnedCounter& counter = book->counter(line, column);
      if (counter.load() != 0) counter.store(0);  // leaves untouched pages untouched
    }
  }
  free_lines_.push_back(line);
  return total;
}

void Books::close_line(std::uint32_t line) noexcept {
  const Lock lock(mutex_);
  (void)take_line(line);
}

template <>
Books::Removed<PioAddress>& Books::removed() {
  return removed_pio_;
}
template <>
Books::Removed<MmioAddress>& Books::removed() {
  return removed_mmio_;
}

template <typename A>
void Books::close_line(std::uint32_t line, Range<A> range, std::string owner) {
  const Lock lock(mutex_);
  Removed<A>& gone = removed<A>();
  gone.latest.push_back({range, std::move(owner), take_line(line), {}});
  if (gone.latest.size() > IoLedger::kRemovedRanges) {
    gone.earlier += gone.latest.front().traffic;
    gone.latest.pop_front();
  }
}
template void Books::close_line(std::uint32_t, PioRange, std::string);
template void Books::close_line(std::uint32_t, MmioRange, std::string);

template <typename A>
void Books::fill(BusLedger<A>& bus, std::vector<OpenLine<A>> lines, const Removed<A>& removed,
                 UnclaimedTable Strays::* unclaimed) const {
  const double scale = scale_.nanoseconds_per_tick();
  for (OpenLine<A>& line : lines) {
    RangeLedger<A>& range =
        bus.ranges.emplace_back(line.range, std::move(line.owner), Traffic{}, std::vector<ThreadTraffic>{});
    const auto add_share = [&](std::size_t thread, const LineTally& tally) {
      if (tally.reads.count + tally.writes.count == 0) return;
      const Traffic share = traffic(tally, scale);
      range.traffic += share;
      range.by_thread.push_back({thread, share});
    };
    add_share(0, ended_[line.line]);
    for (std::size_t i = 0; i < books_.size(); ++i) add_share(i + 1, books_[i]->tally(line.line));
  }
  bus.removed.assign(removed.latest.begin(), removed.latest.end());
  bus.removed_earlier = removed.earlier;

  std::unordered_map<std::uint64_t, UnclaimedAddress<A>> by_address;
  const auto add_strays = [&](const Strays& strays) {
    const UnclaimedTable& table = strays.*unclaimed;
    bus.unclaimed_reads += table.total(Direction::kRead);
    bus.unclaimed_writes += table.total(Direction::kWrite);
    table.for_each([&](std::uint64_t address, std::uint64_t reads, std::uint64_t writes) {
      auto& entry = by_address[address];
      entry.address = A(static_cast<typename A::Value>(address));
      entry.reads += reads;
      entry.writes += writes;
    });
  };
  add_strays(ended_strays_);
  for (const auto& book : books_) add_strays(*book);
  for (const auto& [address, entry] : by_address) bus.unclaimed.push_back(entry);
  busiest_first(bus.unclaimed);
}

IoLedger Books::picture(std::vector<OpenLine<PioAddress>> pio, std::vector<OpenLine<MmioAddress>> mmio) const {
  IoLedger ledger;
  const Lock lock(mutex_);
  ledger.threads.emplace_back("ended threads");
  ledger.too_deep = ended_strays_.too_deep.load();
  for (const auto& book : books_) {
    ledger.threads.push_back(book->name);
    ledger.too_deep += book->too_deep.load();
  }
  fill(ledger.pio, std::move(pio), removed_pio_, &Book::pio_unclaimed);
  fill(ledger.mmio, std::move(mmio), removed_mmio_, &Book::mmio_unclaimed);
  return ledger;
}

}  // namespace keel::detail
