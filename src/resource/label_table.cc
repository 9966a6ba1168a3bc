// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/resource/detail/label_table.h"

namespace keel::detail {

std::uint32_t LabelTable::hold_slow(std::string_view name) {
  if (const auto known = numbers_.find(name); known != numbers_.end()) {
    last_ = known->second;
    ++labels_[last_ - 1].uses;
    return last_;
  }
  if (unused_.empty()) {
    labels_.push_back({});
    unused_.push_back(static_cast<std::uint32_t>(labels_.size()));
  }
  last_ = unused_.back();
  unused_.pop_back();
  labels_[last_ - 1] = {&numbers_.emplace(name, last_).first->first, 1};
  return last_;
}

void LabelTable::forget(std::uint32_t number) {
  numbers_.erase(numbers_.find(*labels_[number - 1].name));
  labels_[number - 1].name = nullptr;
  unused_.push_back(number);
  if (last_ == number) last_ = 0;
}

std::uint64_t LabelTable::memory() const {
  std::uint64_t bytes = labels_.capacity() * sizeof(Label) + unused_.capacity() * sizeof(std::uint32_t) +
                        numbers_.bucket_count() * sizeof(void*);
  for (const auto& [name, number] : numbers_) bytes += sizeof(void*) + sizeof(name) + sizeof(number) + name.capacity();
  return bytes;
}

}  // namespace keel::detail
