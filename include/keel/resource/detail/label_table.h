// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace keel::detail {

// Names of owners, each kept once for as long as something carries it: an allocation pays four bytes for its owner, and
// a guest that plugs and unplugs for ever does not grow the table. Number 0 is the empty name and costs nothing.
class LabelTable {
 public:
  // The number of `name`, held once more.
  std::uint32_t hold(std::string_view name) {
    if (name.empty()) return 0;
    if (last_ != 0 && *labels_[last_ - 1].name == name) {
      ++labels_[last_ - 1].uses;
      return last_;
    }
    return hold_slow(name);
  }
  void drop(std::uint32_t number) {
    if (number != 0 && --labels_[number - 1].uses == 0) forget(number);
  }
  [[nodiscard]] std::string_view name(std::uint32_t number) const {
    return number == 0 ? std::string_view() : std::string_view(*labels_[number - 1].name);
  }
  // Bytes of heap held, about.
  [[nodiscard]] std::uint64_t memory() const;

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  struct Label {
    const std::string* name;  // the key in numbers_
    std::uint64_t uses;
  };

  std::uint32_t hold_slow(std::string_view name);
  void forget(std::uint32_t number);

  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> numbers_;
  std::vector<Label> labels_;
  std::vector<std::uint32_t> unused_;
  std::uint32_t last_ = 0;  // a device allocates several things in a row
};

}  // namespace keel::detail
