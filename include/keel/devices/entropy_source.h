// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <span>

namespace keel {

// Where random bytes come from. From any thread.
class EntropySource {
 public:
  virtual ~EntropySource() = default;
  // Fills as much as is to be had without waiting, from the front; returns how many bytes that is.
  [[nodiscard]] virtual std::size_t fill(std::span<std::uint8_t> bytes) = 0;
};

// The host kernel's generator, getrandom(2).
class HostEntropy final : public EntropySource {
 public:
  [[nodiscard]] std::size_t fill(std::span<std::uint8_t> bytes) override;
};

}  // namespace keel
