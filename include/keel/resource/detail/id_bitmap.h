// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace keel::detail {

// Which of the numbers [0, size) are taken, size up to 2^32: a tree of 64-way bitmaps in which a set bit says "taken"
// below and "all taken" above, so that the lowest free number is a handful of count-trailing-zeros away. A page covers
// 4096 numbers in 520 bytes and exists only once one of them was taken on its own; what was never touched, and what was
// taken whole, costs one bit.
class IdBitmap {
 public:
  // Half open, because one past 2^32 - 1 is representable here.
  struct Span {
    std::uint64_t begin;
    std::uint64_t end;
  };

  // Precondition: 1 <= size <= 2^32.
  explicit IdBitmap(std::uint64_t size);

  // Takes the lowest free number.
  std::optional<std::uint32_t> take_lowest() {
    if (low_ == nullptr && !settle_low()) [[unlikely]]
      return std::nullopt;
    const auto word = static_cast<unsigned>(std::countr_one(low_->full));
    const auto bit = static_cast<unsigned>(std::countr_one(low_->words[word]));
    const std::uint64_t now = low_->words[word] | std::uint64_t{1} << bit;
    low_->words[word] = now;
    ++taken_;
    if (now == kFull) [[unlikely]]
      word_filled(*low_, word);
    return static_cast<std::uint32_t>(low_page_ * kPageSpan + word * 64 + bit);
  }

  // Gives `id` back; false when it is not taken. Precondition: id < size.
  bool release(std::uint32_t id) {
    Page* page = page_at(id / kPageSpan);
    if (page == nullptr) [[unlikely]]
      return release_unpaged(id);
    const unsigned word = id / 64 % 64;
    const std::uint64_t bit = std::uint64_t{1} << id % 64;
    if ((page->words[word] & bit) == 0) return false;
    page->words[word] &= ~bit;
    --taken_;
    page_opened(*page, id, word);
    return true;
  }

  // The lowest free / taken number in `where`. Precondition for all below: where.begin <= where.end <= size.
  [[nodiscard]] std::optional<std::uint64_t> next_free(Span where) const;
  [[nodiscard]] std::optional<std::uint64_t> next_taken(Span where) const;
  // The lowest `count` free numbers in a row within `where`.
  [[nodiscard]] std::optional<std::uint64_t> find_run(std::uint64_t count, Span where) const;
  [[nodiscard]] std::uint64_t free_in(Span where) const;
  // Precondition: all of `where` is free.
  void take(Span where);
  // Precondition: all of `where` is taken.
  void release(Span where);

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }
  // Bytes of heap held.
  [[nodiscard]] std::uint64_t memory() const;

 private:
  static constexpr std::uint64_t kFull = ~std::uint64_t{0};
  static constexpr std::uint64_t kPageSpan = 64 * 64;
  static constexpr std::uint64_t kGroupSpan = 64 * kPageSpan;

  struct Page {
    std::uint64_t full = 0;  // words with all bits set
    std::array<std::uint64_t, 64> words{};
  };
  struct Group {
    std::uint64_t full = 0;  // pages with all bits set; of absent pages, those taken whole
    std::array<std::unique_ptr<Page>, 64> pages;
  };

  [[nodiscard]] Page* page_at(std::uint64_t page) const {
    const std::uint64_t group = page / 64;
    return group < groups_.size() && groups_[group] ? groups_[group]->pages[page % 64].get() : nullptr;
  }
  void page_opened(Page& page, std::uint32_t id, unsigned word) {
    const std::uint64_t number = id / kPageSpan;
    if (page.full == kFull) groups_[number / 64]->full &= ~(std::uint64_t{1} << number % 64);
    page.full &= ~(std::uint64_t{1} << word);
    if (number < low_page_) {
      low_page_ = number;
      low_ = &page;
    }
  }
  [[nodiscard]] bool page_is_full(std::uint64_t page) const;
  // The word that holds `id`, whether or not its page exists.
  [[nodiscard]] std::uint64_t word_at(std::uint64_t id) const;
  [[nodiscard]] std::optional<std::uint64_t> next_open_page(std::uint64_t page) const;
  template <typename Change>
  void change(Span where, Change&& change_word);
  Group& need_group(std::uint64_t group);
  Page& need_page(std::uint64_t page);
  bool settle_low();
  void word_filled(Page& page, unsigned word);
  bool release_unpaged(std::uint32_t id);

  std::uint64_t size_;
  std::uint64_t taken_ = 0;
  // No page below low_page_ has a free number. low_ is that page, or null when it may be full or absent.
  std::uint64_t low_page_ = 0;
  Page* low_ = nullptr;
  std::vector<std::unique_ptr<Group>> groups_;
};

}  // namespace keel::detail
