// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/detail/id_bitmap.h"

#include <algorithm>

#include "keel/base/check.h"

namespace keel::detail {

namespace {

// The bits [begin, end) of a word, begin < 64, 1 <= end <= 64.
constexpr std::uint64_t bits(std::uint64_t begin, std::uint64_t end) {
  return (~std::uint64_t{0} << begin) & (~std::uint64_t{0} >> (64 - end));
}

}  // namespace

IdBitmap::IdBitmap(std::uint64_t size) : size_(size) {
  check(size >= 1 && size <= std::uint64_t{1} << 32, "an id space holds 1 to 2^32 ids");
}

IdBitmap::Group& IdBitmap::need_group(std::uint64_t group) {
  if (group >= groups_.size()) groups_.resize(group + 1);
  if (!groups_[group]) groups_[group] = std::make_unique<Group>();
  return *groups_[group];
}

IdBitmap::Page& IdBitmap::need_page(std::uint64_t page) {
  Group& group = need_group(page / 64);
  std::unique_ptr<Page>& slot = group.pages[page % 64];
  if (slot) return *slot;
  slot = std::make_unique<Page>();
  if (page_is_full(page)) {
    slot->words.fill(kFull);
    slot->full = kFull;
  }
  // Numbers past the end look taken for ever.
  for (std::uint64_t word = 0; word < 64; ++word) {
    const std::uint64_t first = page * kPageSpan + word * 64;
    if (first + 64 <= size_) continue;
    slot->words[word] |= first >= size_ ? kFull : bits(size_ - first, 64);
    if (slot->words[word] == kFull) slot->full |= std::uint64_t{1} << word;
  }
  return *slot;
}

bool IdBitmap::page_is_full(std::uint64_t page) const {
  const std::uint64_t group = page / 64;
  return group < groups_.size() && groups_[group] && (groups_[group]->full >> page % 64 & 1) != 0;
}

std::uint64_t IdBitmap::word_at(std::uint64_t id) const {
  if (const Page* page = page_at(id / kPageSpan)) return page->words[id / 64 % 64];
  return page_is_full(id / kPageSpan) ? kFull : 0;
}

std::optional<std::uint64_t> IdBitmap::next_open_page(std::uint64_t page) const {
  const std::uint64_t pages = (size_ + kPageSpan - 1) / kPageSpan;
  while (page < pages) {
    const std::uint64_t group = page / 64;
    if (group >= groups_.size() || !groups_[group]) return page;
    const std::uint64_t open = ~groups_[group]->full & bits(page % 64, 64);
    page = group * 64 + static_cast<unsigned>(std::countr_zero(open));
    if (open != 0) return page < pages ? std::optional(page) : std::nullopt;
  }
  return std::nullopt;
}

bool IdBitmap::settle_low() {
  const std::optional<std::uint64_t> page = next_open_page(low_page_);
  if (!page) return false;
  low_page_ = *page;
  low_ = &need_page(*page);
  return true;
}

void IdBitmap::word_filled(Page& page, unsigned word) {
  page.full |= std::uint64_t{1} << word;
  if (page.full != kFull) return;
  groups_[low_page_ / 64]->full |= std::uint64_t{1} << low_page_ % 64;
  low_ = nullptr;
}

bool IdBitmap::release_unpaged(std::uint32_t id) {
  if (!page_is_full(id / kPageSpan)) return false;
  need_page(id / kPageSpan);
  return release(id);
}

std::optional<std::uint64_t> IdBitmap::next_free(Span where) const {
  std::uint64_t id = where.begin;
  while (id < where.end) {
    const std::uint64_t number = id / kPageSpan;
    if (page_is_full(number)) {
      const std::optional<std::uint64_t> open = next_open_page(number);
      if (!open) return std::nullopt;
      id = *open * kPageSpan;
      continue;
    }
    const Page* page = page_at(number);
    if (page == nullptr) return id;
    const std::uint64_t word = id / 64 % 64;
    if (const std::uint64_t open = ~page->words[word] & bits(id % 64, 64)) {
      id = id - id % 64 + static_cast<unsigned>(std::countr_zero(open));
      break;
    }
    const std::uint64_t open_words = word == 63 ? 0 : ~page->full & bits(word + 1, 64);
    id = number * kPageSpan + static_cast<unsigned>(std::countr_zero(open_words)) * std::uint64_t{64};
  }
  return id < where.end ? std::optional(id) : std::nullopt;
}

std::optional<std::uint64_t> IdBitmap::next_taken(Span where) const {
  std::uint64_t id = where.begin;
  while (id < where.end) {
    if (id / kGroupSpan >= groups_.size()) return std::nullopt;
    if (!groups_[id / kGroupSpan]) {
      id = (id / kGroupSpan + 1) * kGroupSpan;
    } else if (page_at(id / kPageSpan) == nullptr && !page_is_full(id / kPageSpan)) {
      id = (id / kPageSpan + 1) * kPageSpan;
    } else if (const std::uint64_t taken = word_at(id) & bits(id % 64, 64)) {
      id = id - id % 64 + static_cast<unsigned>(std::countr_zero(taken));
      return id < where.end ? std::optional(id) : std::nullopt;
    } else {
      id = (id / 64 + 1) * 64;
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> IdBitmap::find_run(std::uint64_t count, Span where) const {
  std::uint64_t id = where.begin;
  while (const std::optional<std::uint64_t> begin = next_free({id, where.end})) {
    if (where.end - *begin < count) return std::nullopt;
    const std::optional<std::uint64_t> stop = next_taken({*begin, *begin + count});
    if (!stop) return begin;
    id = *stop;
  }
  return std::nullopt;
}

std::uint64_t IdBitmap::free_in(Span where) const {
  std::uint64_t free = 0;
  std::uint64_t id = where.begin;
  while (const std::optional<std::uint64_t> begin = next_free({id, where.end})) {
    id = next_taken({*begin, where.end}).value_or(where.end);
    free += id - *begin;
  }
  return free;
}

// Calls change_word(page number, word, mask) for every word of `where`; a whole page comes once, with a mask of 0.
template <typename Change>
void IdBitmap::change(Span where, Change&& change_word) {
  std::uint64_t id = where.begin;
  while (id < where.end) {
    if (id % kPageSpan == 0 && where.end - id >= kPageSpan) {
      change_word(id / kPageSpan, 0u, 0u);
      id += kPageSpan;
      continue;
    }
    const std::uint64_t end = std::min(where.end, id - id % 64 + 64);
    change_word(id / kPageSpan, id / 64 % 64, bits(id % 64, id % 64 + (end - id)));
    id = end;
  }
}

void IdBitmap::take(Span where) {
  change(where, [this](std::uint64_t number, std::uint64_t word, std::uint64_t mask) {
    Group& group = need_group(number / 64);
    const std::uint64_t bit = std::uint64_t{1} << number % 64;
    if (mask == 0) {
      group.pages[number % 64].reset();
      group.full |= bit;
    } else {
      Page& page = need_page(number);
      page.words[word] |= mask;
      if (page.words[word] == kFull) page.full |= std::uint64_t{1} << word;
      if (page.full == kFull) group.full |= bit;
    }
    if (number == low_page_ && (group.full & bit) != 0) low_ = nullptr;
  });
  taken_ += where.end - where.begin;
}

void IdBitmap::release(Span where) {
  change(where, [this](std::uint64_t number, std::uint64_t word, std::uint64_t mask) {
    Page* page = nullptr;
    if (mask == 0) {
      groups_[number / 64]->pages[number % 64].reset();
    } else {
      page = &need_page(number);
      page->words[word] &= ~mask;
      page->full &= ~(std::uint64_t{1} << word);
    }
    groups_[number / 64]->full &= ~(std::uint64_t{1} << number % 64);
    if (number <= low_page_) {
      low_page_ = number;
      low_ = page;
    }
  });
  taken_ -= where.end - where.begin;
}

std::uint64_t IdBitmap::memory() const {
  std::uint64_t bytes = groups_.capacity() * sizeof(groups_[0]);
  for (const std::unique_ptr<Group>& group : groups_) {
    if (!group) continue;
    bytes += sizeof(Group);
    for (const std::unique_ptr<Page>& page : group->pages) bytes += page ? sizeof(Page) : 0;
  }
  return bytes;
}

}  // namespace keel::detail
