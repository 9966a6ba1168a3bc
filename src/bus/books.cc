// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/bus/books.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <unordered_map>

#include "keel/base/check.h"

namespace keel::detail {

namespace {

constexpr Column kColumns[] = {Column::kReads, Column::kWrites, Column::kReadTicks, Column::kWriteTicks};

Traffic traffic(const Book& book, std::uint32_t line, double nanoseconds_per_tick) {
  const auto totals = [&](Column count, Column ticks) {
    const auto time = std::llround(static_cast<double>(book.counter(line, ticks).load()) * nanoseconds_per_tick);
    return AccessTotals{book.counter(line, count).load(), std::chrono::nanoseconds(time)};
  };
  return {totals(Column::kReads, Column::kReadTicks), totals(Column::kWrites, Column::kWriteTicks)};
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

Book& Books::open_book() {
  auto book = std::make_unique<Book>();
  const Lock lock(mutex_);
  return *books_.emplace_back(std::move(book));
}

void Books::close_book(Book& book) noexcept {
  std::unique_ptr<Book> closed;
  const Lock lock(mutex_);
  for (std::uint32_t line = 0; line < lines_; ++line) {
    for (const Column column : kColumns) {
      const std::uint64_t counted = book.counter(line, column).load();
      if (counted != 0) ended_.counter(line, column).add(counted);
    }
  }
  ended_.pio_unclaimed.add(book.pio_unclaimed);
  ended_.mmio_unclaimed.add(book.mmio_unclaimed);
  ended_.too_deep.add(book.too_deep.load());
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
  if (lines_ == Book::kLines) {
    return fail(ErrorCode::kExhausted, "the buses hold {} ranges, which is all they can; remove some", lines_);
  }
  if (free_lines_.capacity() == lines_) free_lines_.reserve(2 * std::size_t{lines_} + 64);  // closing never allocates
  return lines_++;
}

// What all threads counted on the line, which is then clean for its next range.
Traffic Books::take_line(std::uint32_t line) {
  const double scale = scale_.nanoseconds_per_tick();
  Traffic total = traffic(ended_, line, scale);
  const auto clear = [line](const Book& book) {
    for (const Column column : kColumns) {
      OwnedCounter& counter = book.counter(line, column);
      if (counter.load() != 0) counter.store(0);  // leaves untouched pages untouched
    }
  };
  for (const auto& book : books_) {
    total += traffic(*book, line, scale);
    clear(*book);
  }
  clear(ended_);
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
                 UnclaimedTable Book::* unclaimed) const {
  const double scale = scale_.nanoseconds_per_tick();
  std::vector<const Book*> books{&ended_};
  for (const auto& book : books_) books.push_back(book.get());

  for (OpenLine<A>& line : lines) {
    RangeLedger<A>& range =
        bus.ranges.emplace_back(line.range, std::move(line.owner), Traffic{}, std::vector<ThreadTraffic>{});
    for (std::size_t thread = 0; thread < books.size(); ++thread) {
      const Traffic share = traffic(*books[thread], line.line, scale);
      if (share.reads.count + share.writes.count == 0) continue;
      range.traffic += share;
      range.by_thread.push_back({thread, share});
    }
  }
  bus.removed.assign(removed.latest.begin(), removed.latest.end());
  bus.removed_earlier = removed.earlier;

  std::unordered_map<std::uint64_t, UnclaimedAddress<A>> by_address;
  for (const Book* book : books) {
    const UnclaimedTable& table = book->*unclaimed;
    bus.unclaimed_reads += table.total(Direction::kRead);
    bus.unclaimed_writes += table.total(Direction::kWrite);
    table.for_each([&](std::uint64_t address, std::uint64_t reads, std::uint64_t writes) {
      auto& entry = by_address[address];
      entry.address = A(static_cast<typename A::Value>(address));
      entry.reads += reads;
      entry.writes += writes;
    });
  }
  for (const auto& [address, entry] : by_address) bus.unclaimed.push_back(entry);
  busiest_first(bus.unclaimed);
}

IoLedger Books::picture(std::vector<OpenLine<PioAddress>> pio, std::vector<OpenLine<MmioAddress>> mmio) const {
  IoLedger ledger;
  const Lock lock(mutex_);
  ledger.threads.emplace_back("ended threads");
  ledger.too_deep = ended_.too_deep.load();
  for (const auto& book : books_) {
    ledger.threads.push_back(book->name);
    ledger.too_deep += book->too_deep.load();
  }
  fill(ledger.pio, std::move(pio), removed_pio_, &Book::pio_unclaimed);
  fill(ledger.mmio, std::move(mmio), removed_mmio_, &Book::mmio_unclaimed);
  return ledger;
}

}  // namespace keel::detail
