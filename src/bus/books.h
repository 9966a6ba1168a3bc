// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/bus/ticks.h"
#include "src/bus/unclaimed_table.h"
#include "keel/base/error.h"
#include "keel/base/mutex.h"
#include "keel/base/range.h"
#include "keel/bus/ledger.h"

namespace keel::detail {

// What a thread counts of one range.
enum class Column : std::uint32_t { kReads, kWrites, kReadTicks, kWriteTicks };

// Accesses, and the ticks that they took.
struct Tally {
  std::uint64_t count = 0;
  std::uint64_t ticks = 0;
};
struct LineTally {
  Tally reads;
  Tally writes;
};

// What a thread counted of no range.
struct Strays {
  UnclaimedTable pio_unclaimed;
  UnclaimedTable mmio_unclaimed;
  OwnedCounter too_deep;
};

// One thread's counters of one manager: a line of four for each registered range, shared with nobody. The lines are
// reserved address space that takes memory where it is touched, so that a new range needs nothing from the threads.
// They lie in blocks of 64, column by column, so that a machine with few ranges touches one page, and one with many
// only the columns it uses.
class Book : public Strays {
 public:
  static constexpr std::uint32_t kLines = 1u << 16;

  Book();
  ~Book();
  Book(const Book&) = delete;
  Book& operator=(const Book&) = delete;

  // Where a line's first counter is among the cells; the others of its line are at fixed distances.
  [[nodiscard]] static constexpr std::uint32_t cell_of(std::uint32_t line) noexcept {
    return line / kBlock * (kBlock * kColumns) + line % kBlock;
  }
  [[nodiscard]] static OwnedCounter& at(OwnedCounter* cells, std::uint32_t cell, Column column) noexcept {
    return cells[cell + static_cast<std::uint32_t>(column) * kBlock];
  }
  [[nodiscard]] OwnedCounter* cells() const noexcept { return cells_; }
  [[nodiscard]] OwnedCounter& counter(std::uint32_t line, Column column) const noexcept {
    return at(cells_, cell_of(line), column);
  }
  // What was counted, the time scaled to the number of accesses.
  [[nodiscard]] LineTally tally(std::uint32_t line) const noexcept;

  std::string name;  // guarded by Books

 private:
  static constexpr std::uint32_t kBlock = 64;
  static constexpr std::uint32_t kColumns = 4;
  static constexpr std::size_t kBytes = std::size_t{kLines} * kColumns * sizeof(OwnedCounter);

  OwnedCounter* cells_;
};

// A registered range whose traffic a picture is to have.
template <typename A>
struct OpenLine {
  Range<A> range;
  std::string owner;
  std::uint32_t line;
};

// All books of one manager. Its mutex is the innermost lock; nothing is called under it.
class Books {
 public:
  Books() = default;
  Books(const Books&) = delete;
  Books& operator=(const Books&) = delete;

  [[nodiscard]] Book& open_book() KEEL_EXCLUDES(mutex_);
  // By the thread that owned it; its counts go to those of the ended threads.
  void close_book(Book& book) noexcept KEEL_EXCLUDES(mutex_);
  void name_book(Book& book, std::string name) KEEL_EXCLUDES(mutex_);
  // Whether no thread has a book, so that none is dispatching; one that opens its book later sees what was published
  // before this call.
  [[nodiscard]] bool nobody_dispatches() const KEEL_EXCLUDES(mutex_);

  // The manager is gone: its threads may close their books whenever they notice.
  void retire() noexcept { retired_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool retired() const noexcept { return retired_.load(std::memory_order_relaxed); }

  // Error: kExhausted.
  [[nodiscard]] Result<std::uint32_t> open_line() KEEL_EXCLUDES(mutex_);
  // Once no access to the range is under way. The first forgets what was counted (nothing, where the range was never
  // published), the second keeps it among the removed.
  void close_line(std::uint32_t line) noexcept KEEL_EXCLUDES(mutex_);
  template <typename A>
  void close_line(std::uint32_t line, Range<A> range, std::string owner) KEEL_EXCLUDES(mutex_);

  [[nodiscard]] IoLedger picture(std::vector<OpenLine<PioAddress>> pio, std::vector<OpenLine<MmioAddress>> mmio) const
      KEEL_EXCLUDES(mutex_);

 private:
  template <typename A>
  struct Removed {
    std::deque<RangeLedger<A>> latest;
    Traffic earlier;
  };
  template <typename A>
  Removed<A>& removed() KEEL_REQUIRES(mutex_);
  Traffic take_line(std::uint32_t line) KEEL_REQUIRES(mutex_);
  template <typename A>
  void fill(BusLedger<A>& bus, std::vector<OpenLine<A>> lines, const Removed<A>& removed,
            UnclaimedTable Strays::* unclaimed) const KEEL_REQUIRES(mutex_);

  const TickScale scale_;
  std::atomic<bool> retired_ = false;
  mutable Mutex mutex_;
  std::vector<std::unique_ptr<Book>> books_ KEEL_GUARDED_BY(mutex_);
  // Of the threads that ended; a line for each number given out so far.
  std::vector<LineTally> ended_ KEEL_GUARDED_BY(mutex_);
  Strays ended_strays_ KEEL_GUARDED_BY(mutex_);
  std::vector<std::uint32_t> free_lines_ KEEL_GUARDED_BY(mutex_);
  Removed<PioAddress> removed_pio_ KEEL_GUARDED_BY(mutex_);
  Removed<MmioAddress> removed_mmio_ KEEL_GUARDED_BY(mutex_);
};

// A range's line in every book, from before it is published until the last access is over. A range that moves keeps
// its line. Not thread-safe, except that the last owner may be any thread.
template <typename A>
class Line {
 public:
  [[nodiscard]] static Result<std::shared_ptr<Line>> open(std::shared_ptr<Books> books) {
    const Result<std::uint32_t> number = books->open_line();
    if (!number) return std::unexpected(number.error());
    return std::make_shared<Line>(std::move(books), *number);
  }
  Line(std::shared_ptr<Books> books, std::uint32_t number) noexcept : books_(std::move(books)), number_(number) {}
  ~Line() {
    if (range_)
      books_->close_line(number_, *range_, std::move(owner_));
    else
      books_->close_line(number_);
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  // What to remember it as.
  void publish(Range<A> range, const std::string& owner) {
    range_ = range;
    owner_ = owner;
  }

 private:
  const std::shared_ptr<Books> books_;
  const std::uint32_t number_;
  std::optional<Range<A>> range_;
  std::string owner_;
};

}  // namespace keel::detail
